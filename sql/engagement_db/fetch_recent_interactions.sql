-- name: fetch_recent_interactions(user_id, top_k)
-- What a user did last, of every kind, for the explorer.
--
-- Parameters:
--   user_id text  whose interactions
--   top_k int     how many at most
-- Returns: a row for each, latest first
--   media_id text, type text
--   interaction_value float8  as written, NULL included
--   happened_at text          ISO 8601 in UTC, without seconds; NULL for infinity
-- Index: interaction_user_recent_idx
-- Why: the order is the index's own, up to the LIMIT, however long the history. Rows without timestamp are
--   left out: nobody knows whether they are recent.
SELECT
    i.media_id::text AS media_id,
    i.type::text AS type,
    i.interaction_value::double precision AS interaction_value,
    to_char(i.timestamp, 'YYYY-MM-DD"T"HH24:MI') AS happened_at
FROM interaction AS i
WHERE
    i.user_id = :user_id::text::uuid
    AND i.timestamp >= '-infinity'
ORDER BY i.timestamp DESC, i.media_id ASC, i.type ASC, i.interaction_value ASC
LIMIT :top_k;
