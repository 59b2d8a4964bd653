-- name: fetch_genre_preferences(user_ids)
-- The genres that each of some users stated as preferred.
--
-- Parameters:
--   user_ids text[]  whose preferences
-- Returns: a row for each user who has any
--   user_id text, genre_names text[] (distinct as written; case is the caller's affair)
-- Index: tb_user_genre_user_id_idx
-- Why: one array a user keeps the answer at one row a user. The join drops genre rows that belong to
--   no preferences row.
SELECT
    ug.user_id::text AS user_id,
    array_agg(DISTINCT ug.genre_name::text) AS genre_names
FROM user_preferences AS up
INNER JOIN tb_user_genre AS ug ON up.user_id = ug.user_id
WHERE
    up.user_id = any(:user_ids::text[]::uuid[])
    AND ug.genre_name IS NOT NULL
GROUP BY ug.user_id;
