-- name: fetch_catalogue()
-- All media that may be recommended, with the values to find and filter them by, for the catalog index.
--
-- Parameters: none
-- Returns: a row for each medium that has an id and is not deleted
--   genre_names text[]  as fetch_media gives them
--   media_type text     its first 100 characters
--   release_year int    NULL where it is out of range
--   media_id text
--   media_key bytea     the id in binary, as fetch_media_of_users gives it: of one width, a multiple of 8 bytes
-- Index: none needed; the index of genres replaces their table
-- Why: run in the background, once per refresh; genres are grouped before the join, so that each table
--   is read once. They are cut as in fetch_media, so that filters match the names that are shown.
SELECT
    g.genre_names,
    m.media_type,
    m.release_year,
    m.id::text AS media_id,
    uuid_send(m.id) AS media_key
FROM (
    SELECT
        am.id,
        am.media_type::text::varchar(100)::text AS media_type,
        CASE
            WHEN am.release_year BETWEEN -2147483648 AND 2147483647 THEN am.release_year::int
        END AS release_year
    FROM medias AS am
    WHERE am.id IS NOT NULL AND am.deleted_at IS NULL
) AS m
LEFT JOIN (
    SELECT
        amg.media_id,
        (array_agg(DISTINCT amg.genre_name ORDER BY amg.genre_name))[1:(100)] AS genre_names
    FROM (
        SELECT
            mg.media_id,
            mg.genre_name::text::varchar(100)::text AS genre_name
        FROM tb_media_genre AS mg
        WHERE mg.genre_name IS NOT NULL
    ) AS amg
    GROUP BY amg.media_id
) AS g ON m.id = g.media_id;
