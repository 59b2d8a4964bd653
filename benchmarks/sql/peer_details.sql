-- name: peer_details(media_ids)
-- Details of items.
SELECT
    m.id::text AS media_id,
    m.title,
    m.description,
    m.release_year,
    m.media_type,
    m.cover_url,
    (
        SELECT array_agg(mg.genre_name) FROM tb_media_genre AS mg
        WHERE mg.media_id = m.id
    ) AS genres
FROM medias AS m
WHERE m.id = any(:media_ids::uuid[]) AND m.deleted_at IS NULL;
