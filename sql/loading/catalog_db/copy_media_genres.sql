-- name: copy_media_genres()!
-- Rows of the genres of media, streamed in.
COPY tb_media_genre (media_id, genre_name) FROM STDIN;
