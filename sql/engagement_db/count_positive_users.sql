-- name: count_positive_users(window_start, known_until, like_types, watch_types, dislike_types)
-- The number of users for whom each medium is positive in the window: its popularity, also used for idf.
--
-- Parameters:
--   window_start text   a timestamp, or '-infinity'; what is older, more than a day ahead of now, or without a
--                       timestamp does not count
--   known_until text    a timestamp, or 'infinity'; what is later is not read
--   like_types text[], watch_types text[], dislike_types text[]
--                       which types are likes, watches and dislikes; no other type is positive or negative
-- Returns: a row for each medium with interactions, known to the catalog or not
--   media_id text
--   user_count bigint  users who liked or watched it, and whose latest verdict, if any, is a like
--   row_count bigint   all interactions with the medium in the window, of all types and users
-- Index: interaction_media_latest_idx
-- Why: run in the background, once per refresh. The index holds all columns and returns the media grouped, so
--   that at most the rows of one medium are sorted. row_count shows how often interactions are repeated, and so
--   how many rows the neighbour search has to read for a number of users.
SELECT
    pair.media_id::text AS media_id,
    count(*) FILTER (WHERE pair.positive) AS user_count,
    sum(pair.row_count)::bigint AS row_count
FROM (
    SELECT
        i.media_id,
        count(*) AS row_count,
        i.user_id IS NOT NULL
        AND coalesce(bool_or(i.kind IN (1, 2)), FALSE)
        AND coalesce(
            max(i.timestamp) FILTER (WHERE i.kind = 1) > max(i.timestamp) FILTER (WHERE i.kind = 3),
            max(i.timestamp) FILTER (WHERE i.kind = 3) IS NULL
        ) AS positive
    FROM (
        SELECT
            media_id,
            user_id,
            timestamp,
            CASE
                WHEN type::text = any(:like_types::text[]) THEN 1
                WHEN type::text = any(:watch_types::text[]) THEN 2
                WHEN type::text = any(:dislike_types::text[]) THEN 3
            END AS kind
        FROM interaction
        WHERE
            media_id IS NOT NULL
            AND timestamp >= :window_start::timestamp
            AND timestamp <= least((now() AT TIME ZONE 'UTC') + interval '1 day', :known_until::timestamp)
    ) AS i
    GROUP BY i.media_id, i.user_id
) AS pair
GROUP BY pair.media_id;
