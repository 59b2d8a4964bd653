-- name: fetch_genre_preferences(user_ids)
-- The genres that each of some users stated as preferred.
--
-- Parameters:
--   user_ids text[]  whose preferences
-- Returns: a row for each user who has any
--   user_id text
--   genre_names text[]  distinct as written, sorted; the first 100, each cut to 100 characters. The caller
--                       merges spellings of a genre
-- Index: user_preferences_user_id_key, tb_user_genre_user_id_idx
-- Why: with an array, there is one row per user. The join drops genre rows without a preferences row. The limits
--   bound the memory of workers, and the first genres by name are the same in every answer.
SELECT
    ug.user_id::text AS user_id,
    (array_agg(DISTINCT ug.genre_name ORDER BY ug.genre_name))[1:(100)] AS genre_names
FROM user_preferences AS up
INNER JOIN (
    SELECT
        aug.user_id,
        aug.genre_name::text::varchar(100)::text AS genre_name
    FROM tb_user_genre AS aug
    WHERE aug.genre_name IS NOT NULL
) AS ug ON up.user_id = ug.user_id
WHERE up.user_id = any(:user_ids::text[]::uuid[])
GROUP BY ug.user_id;
