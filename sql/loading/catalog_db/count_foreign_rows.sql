-- name: count_foreign_rows(media_ids)
-- Rows that belong to none of the given media: what an import would overwrite.
SELECT
    (
        SELECT count(*) FROM medias AS m
        WHERE NOT EXISTS (
            SELECT 1 FROM unnest(:media_ids::text[]::uuid[]) AS own (media_id)
            WHERE own.media_id = m.id
        )
    ) + (
        SELECT count(*) FROM tb_media_genre AS mg
        WHERE NOT EXISTS (
            SELECT 1 FROM unnest(:media_ids::text[]::uuid[]) AS own (media_id)
            WHERE own.media_id = mg.media_id
        )
    ) AS row_count;
