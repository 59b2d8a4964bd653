-- name: peer_precomputed(user_id, row_limit)
-- The first items of a user's list, with their details.
SELECT
    m.id::text AS media_id,
    m.title,
    m.description,
    m.release_year,
    m.media_type,
    m.cover_url,
    p.score,
    (
        SELECT array_agg(mg.genre_name) FROM tb_media_genre AS mg
        WHERE mg.media_id = m.id
    ) AS genres
FROM precomputed AS p
INNER JOIN medias AS m ON p.media_id = m.id
WHERE p.user_id = :user_id::uuid AND m.deleted_at IS NULL
ORDER BY p.rank
LIMIT :row_limit;
