-- name: naive_details(media_ids)
-- Details of the items on a page.
SELECT
    m.id::text AS media_id,
    m.title,
    m.description,
    m.release_year,
    m.media_type,
    m.cover_url,
    array_agg(mg.genre_name) AS genres
FROM medias AS m
LEFT JOIN tb_media_genre AS mg ON m.id = mg.media_id
WHERE m.id = any(:media_ids::uuid[])
GROUP BY m.id;
