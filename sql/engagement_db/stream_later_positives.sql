-- name: stream_later_positives(moment, window_start, like_types, watch_types, dislike_types, excluding_types)
-- The media that users liked or watched from a moment on, and that could have been recommended then.
--
-- Parameters:
--   moment text         a timestamp; interactions at or after it are later ones
--   window_start text   a timestamp, or '-infinity'; what is older is not positive before the moment
--   like_types text[], watch_types text[], dislike_types text[]
--                       which types are likes, watches and dislikes; no other type is positive or negative
--   excluding_types text[]
--                       types that exclude a medium; empty for all types
-- Returns: a row for each user with any such medium, in any order
--   user_id text
--   media_ids text[]    the earliest first: media liked or watched from the moment on, at most a day ahead of now,
--                       whose latest verdict in the window or since then, if any, is a like, and which no
--                       interaction before the moment or without a timestamp excludes
--   had_positives boolean
--                       whether the user had any positive media at the moment
-- Index: interaction_user_recent_idx, where that is smaller to read than the table
-- Why: run by a replay, through a cursor, as its only statement that reads beyond the moment. It reads all rows
--   once, as media seen before the moment, or without a timestamp, must be left out.
SELECT
    h.user_id::text AS user_id,
    array_agg(h.media_id::text ORDER BY h.followed_at ASC, h.media_id ASC) FILTER (
        WHERE h.followed_at IS NOT NULL AND NOT h.excluded
    ) AS media_ids,
    bool_or(h.positive_before) AS had_positives
FROM (
    SELECT
        i.user_id,
        i.media_id,
        coalesce(bool_or(i.excludes) FILTER (WHERE i.is_later IS NOT TRUE), FALSE) AS excluded,
        coalesce(bool_or(i.kind < 3) FILTER (WHERE NOT i.is_later AND i.in_window), FALSE)
        AND coalesce(
            max(i.timestamp) FILTER (WHERE i.kind = 1 AND NOT i.is_later AND i.in_window)
            > max(i.timestamp) FILTER (WHERE i.kind = 3 AND NOT i.is_later AND i.in_window),
            max(i.timestamp) FILTER (WHERE i.kind = 3 AND NOT i.is_later AND i.in_window) IS NULL
        ) AS positive_before,
        CASE
            WHEN
                coalesce(
                    max(i.timestamp) FILTER (WHERE i.kind = 1 AND i.in_window)
                    > max(i.timestamp) FILTER (WHERE i.kind = 3 AND i.in_window),
                    max(i.timestamp) FILTER (WHERE i.kind = 3 AND i.in_window) IS NULL
                )
                THEN min(i.timestamp) FILTER (WHERE i.kind < 3 AND i.is_later)
        END AS followed_at
    FROM (
        SELECT
            user_id,
            media_id,
            timestamp,
            timestamp >= :moment::timestamp AS is_later,
            timestamp >= :window_start::timestamp AS in_window,
            CASE
                WHEN type::text = any(:like_types::text[]) THEN 1
                WHEN type::text = any(:watch_types::text[]) THEN 2
                WHEN type::text = any(:dislike_types::text[]) THEN 3
            END AS kind,
            cardinality(:excluding_types::text[]) = 0
            OR type::text = any(:excluding_types::text[]) AS excludes
        FROM interaction
        WHERE
            user_id IS NOT NULL
            AND media_id IS NOT NULL
            AND (timestamp <= (now() AT TIME ZONE 'UTC') + interval '1 day') IS NOT FALSE
    ) AS i
    GROUP BY i.user_id, i.media_id
) AS h
GROUP BY h.user_id
HAVING bool_or(h.followed_at IS NOT NULL AND NOT h.excluded);
