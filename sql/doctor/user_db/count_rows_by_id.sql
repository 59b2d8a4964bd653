-- name: count_rows_by_id()
-- How many genre rows hold the id of a row of user_preferences where its user_id belongs.
--
-- Parameters: none
-- Returns: one row
--   row_count bigint
-- Index: none needed
-- Why: asked only where rows match no user_id; on its own, as no other statement needs user_preferences.id.
SELECT count(*) AS row_count
FROM tb_user_genre AS ug
WHERE
    ug.user_id::text IN (SELECT up.id::text FROM user_preferences AS up)
    AND ug.user_id::text NOT IN (
        SELECT up.user_id::text
        FROM user_preferences AS up
        WHERE up.user_id IS NOT NULL
    );
