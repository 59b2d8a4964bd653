-- name: count_users_of_genres(genres)
-- How many users state any genre of a list, and how many of those state no other genre.
--
-- Parameters:
--   genres text[]   as users write them
-- Returns: one row
--   any_count bigint    users with one of them or more
--   only_count bigint   users with no other genre
--   user_count bigint   users with any genre at all
-- Index: none needed
-- Why: read whole, once per `check`, if some stated genres have no media.
SELECT
    count(*) FILTER (WHERE s.listed_count > 0) AS any_count,
    count(*) FILTER (WHERE s.listed_count = s.genre_count) AS only_count,
    count(*) AS user_count
FROM (
    SELECT
        count(*) AS genre_count,
        count(*) FILTER (WHERE ug.genre_name::text = any(:genres::text[])) AS listed_count
    FROM tb_user_genre AS ug
    WHERE ug.user_id IS NOT NULL AND ug.genre_name IS NOT NULL
    GROUP BY ug.user_id
) AS s;
