-- name: fetch_is_filled()
-- Whether there is anything that an import would overwrite.
SELECT (SELECT count(*) FROM user_preferences) + (SELECT count(*) FROM tb_user_genre) > 0 AS is_filled;
