-- name: copy_user_genres()!
-- Rows of stated genres, streamed in.
COPY tb_user_genre (user_id, genre_name) FROM STDIN;
