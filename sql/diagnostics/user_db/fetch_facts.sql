-- name: fetch_facts()
-- The numbers of users and of genre rows, and how many of these match no user.
--
-- Parameters: none
-- Returns: one row
--   users bigint
--   users_with_genres bigint
--   genre_rows bigint       with a user_id
--   lost_genre_rows bigint  those whose user_id is in no row of user_preferences
--   idless_rows bigint      of user_preferences and tb_user_genre without user_id
--   user_keys bytea         8 bytes a user, equal for equal ids in every database; NULL without users
-- Index: none needed
-- Why: read whole, once per `check`. Other databases cannot be joined: hashes of the ids are compared
--   instead. They are of the text of an id, so that ids of any type can be compared.
WITH users AS (
    SELECT DISTINCT up.user_id::text AS user_id
    FROM user_preferences AS up
),

stated AS (
    SELECT
        ug.user_id::text AS user_id,
        count(*) AS row_count,
        count(ug.genre_name) AS genre_count
    FROM tb_user_genre AS ug
    GROUP BY ug.user_id
)

SELECT
    count(u.user_id) AS users,
    count(u.user_id) FILTER (WHERE s.genre_count > 0) AS users_with_genres,
    coalesce(sum(s.row_count) FILTER (WHERE s.user_id IS NOT NULL), 0)::bigint AS genre_rows,
    coalesce(sum(s.row_count) FILTER (WHERE u.user_id IS NULL AND s.user_id IS NOT NULL), 0)::bigint
        AS lost_genre_rows,
    (
        SELECT count(*) FROM user_preferences AS stray
        WHERE stray.user_id IS NULL
    )
    + (
        SELECT count(*) FROM tb_user_genre AS stray
        WHERE stray.user_id IS NULL
    ) AS idless_rows,
    string_agg(substring(sha256(convert_to(u.user_id, 'UTF8')) FROM 1 FOR 8), ''::bytea) AS user_keys
FROM users AS u
FULL OUTER JOIN stated AS s ON u.user_id = s.user_id;
