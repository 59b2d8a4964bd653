-- name: fetch_histories(user_ids, window_start)
-- What each of some users has had to do with, and what of it counts in their favour.
--
-- Parameters:
--   user_ids text[]    whose histories
--   window_start text  a timestamp, or '-infinity'; what is older, or has no timestamp, is not positive
-- Returns: a row for each user with any interaction
--   user_id text
--   seen_ids text[]      every medium the user ever interacted with, whatever the type or timestamp
--   positive_ids text[]  those liked or watched in the window, latest first, NULL if there are none
-- Index: interaction_user_recent_idx
-- Why: exclusions need all of a history, however long, and the scores need some of it; one read serves
--   both.
SELECT
    h.user_id::text AS user_id,
    array_agg(h.media_id::text) AS seen_ids,
    array_agg(h.media_id::text ORDER BY h.positive_at DESC, h.media_id ASC) FILTER (
        WHERE h.positive_at IS NOT NULL
    ) AS positive_ids
FROM (
    SELECT
        i.user_id,
        i.media_id,
        max(i.timestamp) FILTER (
            WHERE i.type IN ('LIKE', 'WATCH') AND i.timestamp >= :window_start::timestamp
        ) AS positive_at
    FROM interaction AS i
    WHERE i.user_id = any(:user_ids::text[]::uuid[])
    GROUP BY i.user_id, i.media_id
) AS h
GROUP BY h.user_id;
