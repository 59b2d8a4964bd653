-- name: fetch_example_user(like_types, watch_types)
-- Users to try the service with, the best first: forgotten ones are skipped.
--
-- Parameters:
--   like_types text[], watch_types text[]
--                  types of positive interactions
-- Returns: one row per user with a like or watch among the latest 1,000 rows, those with the most first
--   user_id text
-- Index: interaction_pkey
-- Why: run once, when the service is started by hand; reading only the latest rows keeps it quick on a table
--   of any size.
SELECT latest.user_id::text AS user_id
FROM (
    SELECT
        i.user_id,
        i.type::text AS type
    FROM interaction AS i
    ORDER BY i.id DESC
    LIMIT 1000
) AS latest
WHERE
    latest.user_id IS NOT NULL
    AND (latest.type = any(:like_types::text[]) OR latest.type = any(:watch_types::text[]))
GROUP BY latest.user_id
ORDER BY count(*) DESC, latest.user_id ASC;
