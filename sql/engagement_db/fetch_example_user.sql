-- name: fetch_example_user()
-- Somebody to try the service with.
--
-- Parameters: none
-- Returns: one row, none in an empty database
--   user_id text  who liked most among the latest rows
-- Index: interaction_pkey
-- Why: asked once, when the service is started by hand; looking at the latest rows only keeps it quick
--   on a table of any size.
SELECT latest.user_id::text AS user_id
FROM (
    SELECT
        i.user_id,
        i.type
    FROM interaction AS i
    ORDER BY i.id DESC
    LIMIT 1000
) AS latest
WHERE latest.type = 'LIKE'
GROUP BY latest.user_id
ORDER BY count(*) DESC, latest.user_id ASC
LIMIT 1;
