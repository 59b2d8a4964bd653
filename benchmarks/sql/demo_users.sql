-- name: demo_users()
-- Users with interactions; those with the most come first.
SELECT
    i.user_id::text AS user_id,
    count(*) AS interactions
FROM interaction AS i
GROUP BY i.user_id
ORDER BY interactions DESC, i.user_id ASC;
