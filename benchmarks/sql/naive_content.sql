-- name: naive_content(genres)
-- Every item of the catalog that shares a genre, with the number of shared genres.
SELECT
    m.id::text AS media_id,
    count(*) AS matches
FROM medias AS m
INNER JOIN tb_media_genre AS mg ON m.id = mg.media_id
WHERE m.deleted_at IS NULL AND mg.genre_name = any(:genres)
GROUP BY m.id
ORDER BY matches DESC, m.create_at DESC
LIMIT 100;
