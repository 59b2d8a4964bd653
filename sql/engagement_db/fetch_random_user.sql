-- name: fetch_random_user()
-- A random user with interactions, for the explorer.
--
-- Parameters: none
-- Returns: one row, none where there are no interactions
--   user_id text
-- Index: interaction_pkey
-- Why: a random point among the interactions, not among the users: whatever their ids look like, it hits
--   somebody, and who has done more is likelier. The point is in a subquery of its own: a volatile function
--   is otherwise called for every row, and no index helps. Smallest and largest id are a probe each. A
--   hundred rows are read, as some may have no user.
SELECT sample.user_id::text AS user_id
FROM (
    SELECT
        i.id,
        i.user_id
    FROM interaction AS i
    WHERE
        i.id >= (
            SELECT min(b.id) + floor(random() * (max(b.id) - min(b.id) + 1))::bigint
            FROM interaction AS b
        )
    ORDER BY i.id ASC
    LIMIT 100
) AS sample
WHERE sample.user_id IS NOT NULL
ORDER BY sample.id ASC
LIMIT 1;
