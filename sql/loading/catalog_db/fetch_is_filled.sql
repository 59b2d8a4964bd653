-- name: fetch_is_filled()
-- Whether there is anything that an import would overwrite.
SELECT (SELECT count(*) FROM medias) + (SELECT count(*) FROM tb_media_genre) > 0 AS is_filled;
