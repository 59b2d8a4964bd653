-- name: search_users(prefix, top_k)
-- The first users with interactions whose id begins with a prefix, for the explorer.
--
-- Parameters:
--   prefix text  any string, hyphens anywhere; no user is found unless it is the beginning of a UUID
--   top_k int    how many at most
-- Returns: a row for each of them, by id ascending
--   user_id text
-- Index: interaction_user_recent_idx
-- Why: a loose index scan: one index probe per user, however many interactions the user before has;
--   DISTINCT would read them all. The range is made as in user_db/search_users.
WITH RECURSIVE bounds AS (
    SELECT
        rpad(left(regexp_replace(lower(:prefix::text), '[^0-9a-f]', '', 'g'), 32), 32, '0')::uuid AS first_id,
        rpad(left(regexp_replace(lower(:prefix::text), '[^0-9a-f]', '', 'g'), 32), 32, 'f')::uuid AS last_id
    WHERE :prefix::text ~ '^-*([0-9A-Fa-f]-*){0,32}$'
),

found AS (
    SELECT
        (
            SELECT i.user_id
            FROM interaction AS i
            WHERE i.user_id BETWEEN b.first_id AND b.last_id
            ORDER BY i.user_id ASC
            LIMIT 1
        ) AS user_id,
        b.last_id,
        1 AS place
    FROM bounds AS b
    UNION ALL
    SELECT
        (
            SELECT i.user_id
            FROM interaction AS i
            WHERE i.user_id > f.user_id AND i.user_id <= f.last_id
            ORDER BY i.user_id ASC
            LIMIT 1
        ) AS user_id,
        f.last_id,
        f.place + 1 AS place
    FROM found AS f
    WHERE f.user_id IS NOT NULL AND f.place < :top_k
)

SELECT f.user_id::text AS user_id
FROM found AS f
WHERE f.user_id IS NOT NULL
ORDER BY f.user_id ASC;
