-- name: fetch_media(media_ids)
-- The details of the media on a page.
--
-- Parameters:
--   media_ids text[]  which media
-- Returns: a row for each of them that exists and is not deleted, in no order
--   media_id text
--   title text          its first 500 characters
--   description text    its first 5,000 characters
--   release_year int    NULL where it is out of range
--   media_type text     its first 100 characters
--   cover_url text      NULL if it is longer than 2,000 bytes: a truncated URL is useless
--   genre_names text[]  distinct as written, in order, the first 100 of them and 100 characters of each; NULL
--     without genres
-- Index: medias_pkey, tb_media_genre_media_id_idx
-- Why: the subquery reads genres for the media on the page only; a join with GROUP BY would have to group by
--   every column shown. Texts are cut before they are sent, to bound the memory of workers. A filter by genre
--   or type may have 100 characters. The length in bytes is known without reading a long text, and left()
--   reads no more than it returns; a cast to varchar(100) cuts, and is free for shorter texts. [1:(100)] has
--   parentheses, because :100 would be a parameter.
SELECT
    m.id::text AS media_id,
    CASE
        WHEN octet_length(m.title::text) <= 500 THEN m.title::text ELSE left(m.title::text, 500)
    END AS title,
    CASE
        WHEN octet_length(m.description::text) <= 5000 THEN m.description::text
        ELSE left(m.description::text, 5000)
    END AS description,
    CASE
        WHEN m.release_year BETWEEN -2147483648 AND 2147483647 THEN m.release_year::int
    END AS release_year,
    left(m.media_type::text, 100) AS media_type,
    CASE WHEN octet_length(m.cover_url::text) <= 2000 THEN m.cover_url::text END AS cover_url,
    (
        SELECT (array_agg(DISTINCT g.genre_name ORDER BY g.genre_name))[1:(100)]
        FROM (
            SELECT mg.genre_name::text::varchar(100)::text AS genre_name
            FROM tb_media_genre AS mg
            WHERE mg.media_id = m.id AND mg.genre_name IS NOT NULL
        ) AS g
    ) AS genre_names
FROM medias AS m
WHERE
    m.id = any(:media_ids::text[]::uuid[])
    AND m.deleted_at IS NULL;
