-- name: fetch_media(media_ids)
-- What a page shows of its media.
--
-- Parameters:
--   media_ids text[]  which media
-- Returns: a row for each of them that exists and is not deleted, in no order
--   media_id text, title text, description text, release_year int, media_type text, cover_url text,
--   genre_names text[] (distinct as written, NULL without genres)
-- Index: medias_pkey, tb_media_genre_media_id_idx
-- Why: the subquery looks genres up for the media on the page alone; a join with GROUP BY would have
--   to group by every column shown.
SELECT
    m.id::text AS media_id,
    m.title,
    m.description,
    m.release_year,
    m.media_type,
    m.cover_url,
    (
        SELECT array_agg(DISTINCT mg.genre_name::text)
        FROM tb_media_genre AS mg
        WHERE mg.media_id = m.id AND mg.genre_name IS NOT NULL
    ) AS genre_names
FROM medias AS m
WHERE
    m.id = any(:media_ids::text[]::uuid[])
    AND m.deleted_at IS NULL;
