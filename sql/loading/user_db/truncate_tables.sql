-- name: truncate_tables()!
-- Make room for another data set.
TRUNCATE user_preferences, tb_user_genre;
