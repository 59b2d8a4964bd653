-- name: fetch_facts(window_start)
-- How many interactions there are, when they took place, and with which media.
--
-- Parameters:
--   window_start text            a timestamp, or '-infinity'
-- Returns: one row
--   interactions bigint
--   recent_interactions bigint   since the start of the window
--   undated_interactions bigint  without timestamp
--   media_keys bytea             8 bytes a medium, equal for equal ids in every database; NULL without rows
--   media_counts bytea           in step: its interactions, as int8send gives them
-- Index: none needed
-- Why: the table is read whole, once, by hand; grouped by medium, so that what is hashed, and what the
--   caller compares with the catalogue, is as many values as there are media.
SELECT
    coalesce(sum(per_media.row_count), 0)::bigint AS interactions,
    coalesce(sum(per_media.recent_count), 0)::bigint AS recent_interactions,
    coalesce(sum(per_media.row_count - per_media.dated_count), 0)::bigint AS undated_interactions,
    string_agg(substring(sha256(convert_to(per_media.media_id, 'UTF8')) FROM 1 FOR 8), ''::bytea)
        AS media_keys,
    string_agg(int8send(per_media.row_count), ''::bytea) AS media_counts
FROM (
    SELECT
        coalesce(i.media_id::text, '') AS media_id,
        count(*) AS row_count,
        count(i.timestamp) AS dated_count,
        count(*) FILTER (WHERE i.timestamp >= :window_start::timestamp) AS recent_count
    FROM interaction AS i
    GROUP BY i.media_id
) AS per_media;
