-- name: count_active_users(window_start, known_until, like_types, watch_types, dislike_types)
-- The number of users with any positive medium in the window: the U of idf.
--
-- Parameters:
--   window_start text   a timestamp, or '-infinity'; what is older, more than a day ahead of now, or without a
--                       timestamp does not count
--   known_until text    a timestamp, or 'infinity'; what is later is not read
--   like_types text[], watch_types text[], dislike_types text[]
--                       which types are likes, watches and dislikes; no other type is positive or negative
-- Returns: one row
--   user_count bigint
-- Index: interaction_user_recent_idx
-- Why: run in the background, once per refresh. The index holds all columns and returns the users grouped, so
--   that nothing larger than one history is sorted.
SELECT count(*) AS user_count
FROM (
    SELECT pair.user_id
    FROM (
        SELECT
            i.user_id,
            i.media_id
        FROM (
            SELECT
                user_id,
                media_id,
                timestamp,
                CASE
                    WHEN type::text = any(:like_types::text[]) THEN 1
                    WHEN type::text = any(:watch_types::text[]) THEN 2
                    WHEN type::text = any(:dislike_types::text[]) THEN 3
                END AS kind
            FROM interaction
            WHERE
                user_id IS NOT NULL
                AND media_id IS NOT NULL
                AND timestamp >= :window_start::timestamp
                AND timestamp <= least((now() AT TIME ZONE 'UTC') + interval '1 day', :known_until::timestamp)
        ) AS i
        WHERE i.kind IS NOT NULL
        GROUP BY i.user_id, i.media_id
        HAVING
            coalesce(
                max(i.timestamp) FILTER (WHERE i.kind = 1) > max(i.timestamp) FILTER (WHERE i.kind = 3),
                max(i.timestamp) FILTER (WHERE i.kind = 3) IS NULL
            )
    ) AS pair
    GROUP BY pair.user_id
) AS active;
