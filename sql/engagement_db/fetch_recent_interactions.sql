-- name: fetch_recent_interactions(user_id, top_k)
-- The latest interactions of a user, of all types, for the explorer.
--
-- Parameters:
--   user_id text  whose interactions
--   top_k int     how many at most, up to 1,000
-- Returns: a row for each, latest first
--   media_id text, type text
--   interaction_value float8  as written, NULL where it is NULL, NaN or beyond ±1e100
--   happened_at text          ISO 8601 in UTC, without seconds; NULL for infinity
-- Index: interaction_user_recent_idx
-- Why: rows are read in the order of the index up to the LIMIT, however long the history; rows without a medium
--   are dropped after it. Rows without timestamp are left out: they may not be recent.
SELECT
    latest.media_id::text AS media_id,
    latest.type::text AS type,
    CASE
        WHEN latest.interaction_value BETWEEN -1e100 AND 1e100 THEN latest.interaction_value::double precision
    END AS interaction_value,
    to_char(latest.timestamp, 'YYYY-MM-DD"T"HH24:MI') AS happened_at
FROM (
    SELECT
        i.media_id,
        i.type,
        i.interaction_value,
        i.timestamp
    FROM interaction AS i
    WHERE
        i.user_id = :user_id::text::uuid
        AND i.timestamp >= '-infinity'
    ORDER BY i.timestamp DESC, i.media_id ASC, i.type ASC, i.interaction_value ASC
    LIMIT 1000
) AS latest
WHERE latest.media_id IS NOT NULL
ORDER BY latest.timestamp DESC, latest.media_id ASC, latest.type ASC, latest.interaction_value ASC
LIMIT :top_k;
