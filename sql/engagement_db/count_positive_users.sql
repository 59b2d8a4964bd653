-- name: count_positive_users(window_start)
-- How many users liked or watched each medium in the window: its popularity, and the basis of idf.
--
-- Parameters:
--   window_start text  a timestamp, or '-infinity'; what is older, or has no timestamp, does not count
-- Returns: a row for each medium somebody liked or watched, known to the catalogue or not
--   media_id text, user_count bigint
-- Index: interaction_media_recent_idx
-- Why: run in the background, once a refresh. The index holds all three columns and delivers the
--   media grouped, so DISTINCT sorts within one medium only.
SELECT
    i.media_id::text AS media_id,
    count(DISTINCT i.user_id) AS user_count
FROM interaction AS i
WHERE
    i.type IN ('LIKE', 'WATCH')
    AND i.timestamp >= :window_start::timestamp
GROUP BY i.media_id;
