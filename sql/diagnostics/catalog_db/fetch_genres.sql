-- name: fetch_genres()
-- The genres of the media that may be recommended, as written.
--
-- Parameters: none
-- Returns: a row for each, of at most 10,000
--   genre_name text
--   media_count bigint
-- Index: none needed
-- Why: read whole, once per `check`; of names in free text, the rarest are left out.
SELECT
    mg.genre_name::text AS genre_name,
    count(*) AS media_count
FROM tb_media_genre AS mg
INNER JOIN medias AS m ON mg.media_id = m.id
WHERE m.deleted_at IS NULL AND mg.genre_name IS NOT NULL
GROUP BY mg.genre_name
ORDER BY media_count DESC, mg.genre_name ASC
LIMIT 10000;
