-- name: count_rows_by_id()
-- How many genre rows hold user_preferences.id instead of user_preferences.user_id.
--
-- Parameters: none
-- Returns: one row
--   row_count bigint
-- Index: none needed
-- Why: run only if rows match no user_id. In a file of its own, as no other statement needs user_preferences.id.
SELECT count(*) AS row_count
FROM tb_user_genre AS ug
WHERE
    ug.user_id::text IN (SELECT up.id::text FROM user_preferences AS up)
    AND ug.user_id::text NOT IN (
        SELECT up.user_id::text
        FROM user_preferences AS up
        WHERE up.user_id IS NOT NULL
    );
