-- name: fetch_histories(user_ids, window_start, known_until, like_types, watch_types, dislike_types, excluding_types, rows_per_user)
-- The interactions of each of some users: media to exclude, and positive media.
--
-- Parameters:
--   user_ids text[]     whose histories
--   window_start text   a timestamp, or '-infinity'; what is older, more than a day ahead of now, or without a
--                       timestamp is not positive
--   known_until text    a timestamp, or 'infinity'; what is later is not read
--   like_types text[], watch_types text[], dislike_types text[]
--                       which types are likes, watches and dislikes; no other type is positive or negative
--   excluding_types text[]
--                       types that exclude a medium; empty for all types
--   rows_per_user int   how many interactions of a user are read: those without a timestamp, then the latest
-- Returns: a row for each user with any interaction
--   user_id text
--   seen_ids text[]       the media that the user is not to be given again, NULL if there are none
--   positive_ids text[], positive_rows int[], positive_liked boolean[]
--                         parallel arrays, latest first, NULL if there are none: media liked or watched in the
--                         window whose latest verdict there, if any, is a like; how many of the rows read are of
--                         each medium; whether a row in the window is a like
--   user_key bytea        the id in binary, as fetch_users_of_media returns it
-- Index: interaction_user_recent_idx
-- Why: exclusions need as much of a history as can be read, the scores need its latest part; one read serves
--   both. The LIMIT keeps an account with millions of interactions as cheap as any other. Each user's rows are
--   grouped and sorted separately, which is quicker than those of a hundred users together.
SELECT
    asked.user_id::text AS user_id,
    own.seen_ids,
    own.positive_ids,
    own.positive_rows,
    own.positive_liked,
    uuid_send(asked.user_id) AS user_key
FROM (SELECT DISTINCT u.user_id FROM unnest(:user_ids::text[]::uuid[]) AS u (user_id)) AS asked
CROSS JOIN LATERAL (
    SELECT
        array_agg(h.media_id::text) FILTER (WHERE h.excludes) AS seen_ids,
        array_agg(h.media_id::text ORDER BY h.positive_at DESC, h.media_id ASC) FILTER (
            WHERE h.positive_at IS NOT NULL
        ) AS positive_ids,
        array_agg(h.row_count ORDER BY h.positive_at DESC, h.media_id ASC) FILTER (
            WHERE h.positive_at IS NOT NULL
        ) AS positive_rows,
        array_agg(h.liked ORDER BY h.positive_at DESC, h.media_id ASC) FILTER (
            WHERE h.positive_at IS NOT NULL
        ) AS positive_liked
    FROM (
        SELECT
            latest.media_id,
            count(*)::int AS row_count,
            bool_or(latest.excludes) AS excludes,
            max(latest.timestamp) FILTER (WHERE latest.kind = 1) IS NOT NULL AS liked,
            CASE
                WHEN
                    coalesce(
                        max(latest.timestamp) FILTER (WHERE latest.kind = 1)
                        > max(latest.timestamp) FILTER (WHERE latest.kind = 3),
                        max(latest.timestamp) FILTER (WHERE latest.kind = 3) IS NULL
                    )
                    THEN max(latest.timestamp) FILTER (WHERE latest.kind < 3)
            END AS positive_at
        FROM (
            SELECT
                i.media_id,
                i.timestamp,
                CASE
                    WHEN
                        i.timestamp < :window_start::timestamp
                        OR i.timestamp > (SELECT (now() AT TIME ZONE 'UTC') + interval '1 day')
                        THEN NULL
                    WHEN i.type::text = any(:like_types::text[]) THEN 1
                    WHEN i.type::text = any(:watch_types::text[]) THEN 2
                    WHEN i.type::text = any(:dislike_types::text[]) THEN 3
                END AS kind,
                cardinality(:excluding_types::text[]) = 0
                OR i.type::text = any(:excluding_types::text[]) AS excludes
            FROM interaction AS i
            WHERE
                i.user_id = asked.user_id
                AND (i.timestamp <= :known_until::timestamp) IS NOT FALSE
            ORDER BY i.timestamp DESC, i.media_id ASC, i.type ASC
            LIMIT :rows_per_user
        ) AS latest
        WHERE latest.media_id IS NOT NULL
        GROUP BY latest.media_id
    ) AS h
    HAVING count(*) > 0
) AS own;
