-- name: fetch_facts()
-- The numbers of all media, of deleted media, and of media without genres.
--
-- Parameters: none
-- Returns: one row
--   media bigint
--   deleted_media bigint
--   media_without_genres bigint  of those that are not deleted
--   idless_rows bigint           of medias without id, and of tb_media_genre without media_id
--   repeated_rows bigint         of medias, beyond the first row of an id
--   media_keys bytea             8 bytes a medium, deleted or not, equal for equal ids in every database;
--                                NULL without media
-- Index: none needed
-- Why: read whole, once per `check`. Other databases cannot be joined: hashes of the ids are compared
--   instead. They are of the text of an id, so that ids of any type can be compared.
SELECT
    count(m.id) AS media,
    count(m.id) FILTER (WHERE m.deleted_at IS NOT NULL) AS deleted_media,
    count(m.id) FILTER (WHERE m.deleted_at IS NULL AND g.media_id IS NULL) AS media_without_genres,
    (
        SELECT count(*) FROM tb_media_genre AS stray
        WHERE stray.media_id IS NULL
    )
    + count(*) FILTER (WHERE m.id IS NULL) AS idless_rows,
    count(m.id) - count(DISTINCT m.id) AS repeated_rows,
    string_agg(substring(sha256(convert_to(m.id::text, 'UTF8')) FROM 1 FOR 8), ''::bytea) AS media_keys
FROM medias AS m
LEFT JOIN (
    SELECT DISTINCT mg.media_id
    FROM tb_media_genre AS mg
    WHERE mg.genre_name IS NOT NULL
) AS g ON m.id = g.media_id;
