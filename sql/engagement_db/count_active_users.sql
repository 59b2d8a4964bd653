-- name: count_active_users(window_start)
-- How many users liked or watched anything in the window: the U of idf.
--
-- Parameters:
--   window_start text  a timestamp, or '-infinity'; what is older, or has no timestamp, does not count
-- Returns: one row
--   user_count bigint
-- Index: interaction_media_recent_idx or interaction_user_recent_idx, whichever is smaller to read
-- Why: run in the background, once a refresh; GROUP BY can hash where count(DISTINCT) must sort.
SELECT count(*) AS user_count
FROM (
    SELECT i.user_id
    FROM interaction AS i
    WHERE
        i.type IN ('LIKE', 'WATCH')
        AND i.timestamp >= :window_start::timestamp
    GROUP BY i.user_id
) AS active;
