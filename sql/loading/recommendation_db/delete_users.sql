-- name: delete_users(user_ids)!
-- Remove the embeddings of users, of every version.
--
-- Parameters: user_ids text[].
-- Index: idx_user_features_user.
DELETE FROM user_features
WHERE user_id = any(:user_ids::text[]);
