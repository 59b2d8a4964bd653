-- name: truncate_tables()!
-- Make room for another data set.
TRUNCATE medias, tb_media_genre;
