-- name: naive_genres(user_id)
-- The stated genres of a user.
SELECT ug.genre_name
FROM tb_user_genre AS ug
WHERE ug.user_id = :user_id::uuid;
