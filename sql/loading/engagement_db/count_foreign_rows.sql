-- name: count_foreign_rows(user_ids, media_ids)
-- Rows that belong to none of the given users or none of the given media: what an import would overwrite.
SELECT count(*) AS row_count
FROM interaction AS i
LEFT JOIN unnest(:user_ids::text[]::uuid[]) AS own_user (user_id) ON i.user_id = own_user.user_id
LEFT JOIN unnest(:media_ids::text[]::uuid[]) AS own_media (media_id) ON i.media_id = own_media.media_id
WHERE own_user.user_id IS NULL OR own_media.media_id IS NULL;
