-- name: copy_media()!
-- Rows of media, streamed in.
COPY medias (id, title, description, release_year, media_type, cover_url, create_at, deleted_at)
FROM STDIN;
