-- name: fetch_facts(window_start, window_end)
-- How many interactions there are, when they took place, and with which media.
--
-- Parameters:
--   window_start text            a timestamp, or '-infinity'
--   window_end text              a timestamp; later interactions are in no window
-- Returns: one row; all columns but the first are of interactions with both ids
--   idless_interactions bigint   without user_id or media_id
--   interactions bigint
--   recent_interactions bigint   in the window
--   undated_interactions bigint  without timestamp
--   future_interactions bigint   after the end of the window
--   media_keys bytea             8 bytes a medium, equal for equal ids in every database; NULL without rows
--   media_counts bytea           in the same order: its interactions, as int8send gives them
-- Index: none needed
-- Why: read whole, once per `check`. Grouped by medium, so that only one value per medium is hashed and compared
--   with the catalog.
SELECT
    coalesce(sum(per_media.row_count - per_media.whole_count), 0)::bigint AS idless_interactions,
    coalesce(sum(per_media.whole_count), 0)::bigint AS interactions,
    coalesce(sum(per_media.recent_count), 0)::bigint AS recent_interactions,
    coalesce(sum(per_media.undated_count), 0)::bigint AS undated_interactions,
    coalesce(sum(per_media.future_count), 0)::bigint AS future_interactions,
    string_agg(substring(sha256(convert_to(per_media.media_id, 'UTF8')) FROM 1 FOR 8), ''::bytea) FILTER (
        WHERE per_media.whole_count > 0
    ) AS media_keys,
    string_agg(int8send(per_media.whole_count), ''::bytea) FILTER (
        WHERE per_media.whole_count > 0
    ) AS media_counts
FROM (
    SELECT
        i.media_id::text AS media_id,
        count(*) AS row_count,
        count(i.user_id) FILTER (WHERE i.media_id IS NOT NULL) AS whole_count,
        count(i.user_id) FILTER (WHERE i.media_id IS NOT NULL AND i.timestamp IS NULL) AS undated_count,
        count(i.user_id) FILTER (
            WHERE i.media_id IS NOT NULL AND i.timestamp > :window_end::timestamp
        ) AS future_count,
        count(i.user_id) FILTER (
            WHERE
            i.media_id IS NOT NULL
            AND i.timestamp BETWEEN :window_start::timestamp AND :window_end::timestamp
        ) AS recent_count
    FROM interaction AS i
    GROUP BY i.media_id
) AS per_media;
