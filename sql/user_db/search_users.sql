-- name: search_users(prefix, top_k)
-- The first users whose id begins with a prefix, for the explorer.
--
-- Parameters:
--   prefix text  any string, hyphens anywhere; no user is found unless it is the beginning of a UUID
--   top_k int    how many at most
-- Returns: a row for each of them, by id ascending
--   user_id text
-- Index: user_preferences_user_id_key
-- Why: a prefix of a UUID is a range of UUIDs, and a range is read from the index in order, up to the LIMIT.
--   All other characters are removed before the cast, so that it cannot fail.
WITH bounds AS (
    SELECT
        rpad(left(regexp_replace(lower(:prefix::text), '[^0-9a-f]', '', 'g'), 32), 32, '0')::uuid AS first_id,
        rpad(left(regexp_replace(lower(:prefix::text), '[^0-9a-f]', '', 'g'), 32), 32, 'f')::uuid AS last_id
)

SELECT up.user_id::text AS user_id
FROM bounds AS b
INNER JOIN user_preferences AS up ON up.user_id BETWEEN b.first_id AND b.last_id
WHERE :prefix::text ~ '^-*([0-9A-Fa-f]-*){0,32}$'
ORDER BY up.user_id ASC
LIMIT :top_k;
