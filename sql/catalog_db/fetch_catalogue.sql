-- name: fetch_catalogue()
-- Every medium that may be recommended, and what it is found and filtered by: the catalogue index is made of these.
--
-- Parameters: none
-- Returns: a row for each medium that is not deleted
--   genre_names text[]  distinct as written, NULL without genres
--   media_type text, release_year int
--   media_id text
--   media_key bytea     the id in binary, as fetch_candidates gives it: of one width, a multiple of 8 bytes
-- Index: none needed; the genres' index spares their table
-- Why: run in the background, once a refresh; genres are grouped before the join, so that each table
--   is read once.
SELECT
    g.genre_names,
    m.media_type,
    m.release_year,
    m.id::text AS media_id,
    uuid_send(m.id) AS media_key
FROM medias AS m
LEFT JOIN (
    SELECT
        mg.media_id,
        array_agg(DISTINCT mg.genre_name::text) AS genre_names
    FROM tb_media_genre AS mg
    WHERE mg.genre_name IS NOT NULL
    GROUP BY mg.media_id
) AS g ON m.id = g.media_id
WHERE m.deleted_at IS NULL;
