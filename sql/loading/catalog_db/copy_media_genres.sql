-- name: copy_media_genres()!
-- Rows of genres of media, streamed in.
COPY tb_media_genre (media_id, genre_name) FROM STDIN;
