-- name: count_foreign_rows(user_ids)
-- Rows that belong to none of the given users: what an import would overwrite.
SELECT
    (
        SELECT count(*) FROM user_preferences AS up
        WHERE NOT EXISTS (
            SELECT 1 FROM unnest(:user_ids::text[]::uuid[]) AS own (user_id)
            WHERE own.user_id = up.user_id
        )
    ) + (
        SELECT count(*) FROM tb_user_genre AS ug
        WHERE NOT EXISTS (
            SELECT 1 FROM unnest(:user_ids::text[]::uuid[]) AS own (user_id)
            WHERE own.user_id = ug.user_id
        )
    ) AS row_count;
