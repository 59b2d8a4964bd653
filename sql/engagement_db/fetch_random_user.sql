-- name: fetch_random_user()
-- A random user with interactions, for the explorer.
--
-- Parameters: none
-- Returns: one row; none if none of the rows read has a user
--   user_id text
-- Index: interaction_pkey
-- Why: a random point among the interactions finds a user whatever the form of user ids; users with more
--   interactions are likelier. The point is in a subquery of its own: otherwise the volatile function would be
--   called for every row, and no index could be used. Smallest and largest id are a probe each. A hundred rows
--   are read, as some may have no user. The difference of two ids may exceed a bigint: it is a numeric.
SELECT sample.user_id::text AS user_id
FROM (
    SELECT
        i.id,
        i.user_id
    FROM interaction AS i
    WHERE
        i.id >= (
            SELECT
                least(
                    max(b.id)::numeric,
                    min(b.id) + floor(random()::numeric * (max(b.id)::numeric - min(b.id) + 1))
                )::bigint
            FROM interaction AS b
        )
    ORDER BY i.id ASC
    LIMIT 100
) AS sample
WHERE sample.user_id IS NOT NULL
ORDER BY sample.id ASC
LIMIT 1;
