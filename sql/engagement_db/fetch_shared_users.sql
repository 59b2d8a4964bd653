-- name: fetch_shared_users(media_id, window_start, known_until, like_types, watch_types, dislike_types, row_limit, users_per_item, rows_per_user, items_per_user)
-- The positive media of the users who like or watched one medium.
--
-- Parameters:
--   media_id text       of a medium in the catalog
--   window_start text   a timestamp, or '-infinity'; what is older, more than a day ahead of now, or without a
--                       timestamp does not count
--   known_until text    a timestamp, or 'infinity'; what is later is not read
--   like_types text[], watch_types text[], dislike_types text[]
--                       which types are likes, watches and dislikes; no other type is positive or negative
--   row_limit int       how many of the medium's latest interactions are read
--   users_per_item int  how many of its latest users count
--   rows_per_user int   how many of each of those users' latest interactions are read
--   items_per_user int  how many of each user's latest media count
-- Returns: one row
--   media_keys bytea, user_counts float8[]
--                       parallel: the concatenated keys of the users' media, the given medium included, and how many
--                       of the users have each; NULL without users
--   read_users bigint   how many users were found
-- Index: interaction_media_latest_idx, interaction_user_recent_idx
-- Why: bounded stretches of both indexes, as in fetch_users_of_media and fetch_media_of_users. Counts are
--   integers sent as float8, an array that the driver loads without a loop.
WITH reader AS MATERIALIZED (
    SELECT latest.user_id
    FROM (
        SELECT
            i.user_id,
            i.timestamp,
            CASE
                WHEN i.type::text = any(:like_types::text[]) THEN 1
                WHEN i.type::text = any(:watch_types::text[]) THEN 2
                WHEN i.type::text = any(:dislike_types::text[]) THEN 3
            END AS kind
        FROM interaction AS i
        WHERE
            i.media_id = :media_id::text::uuid
            AND i.timestamp >= :window_start::timestamp
            AND i.timestamp <= least((now() AT TIME ZONE 'UTC') + interval '1 day', :known_until::timestamp)
        ORDER BY i.timestamp DESC, i.user_id ASC, i.type ASC
        LIMIT :row_limit
    ) AS latest
    WHERE
        latest.user_id IS NOT NULL
        AND latest.kind IS NOT NULL
    GROUP BY latest.user_id
    HAVING
        coalesce(
            max(latest.timestamp) FILTER (WHERE latest.kind = 1)
            > max(latest.timestamp) FILTER (WHERE latest.kind = 3),
            max(latest.timestamp) FILTER (WHERE latest.kind = 3) IS NULL
        )
    ORDER BY max(latest.timestamp) DESC, latest.user_id ASC
    LIMIT :users_per_item
),

shared AS (
    SELECT
        per_user.media_id,
        count(*) AS user_count
    FROM reader AS r
    CROSS JOIN
        LATERAL (
            SELECT latest.media_id
            FROM (
                SELECT
                    i.media_id,
                    i.timestamp,
                    CASE
                        WHEN i.type::text = any(:like_types::text[]) THEN 1
                        WHEN i.type::text = any(:watch_types::text[]) THEN 2
                        WHEN i.type::text = any(:dislike_types::text[]) THEN 3
                    END AS kind
                FROM interaction AS i
                WHERE
                    i.user_id = r.user_id
                    AND i.timestamp >= :window_start::timestamp
                    AND i.timestamp <= least(
                        (now() AT TIME ZONE 'UTC') + interval '1 day', :known_until::timestamp
                    )
                ORDER BY i.timestamp DESC, i.media_id ASC, i.type ASC
                LIMIT :rows_per_user
            ) AS latest
            WHERE
                latest.media_id IS NOT NULL
                AND latest.kind IS NOT NULL
            GROUP BY latest.media_id
            HAVING
                coalesce(
                    max(latest.timestamp) FILTER (WHERE latest.kind = 1)
                    > max(latest.timestamp) FILTER (WHERE latest.kind = 3),
                    max(latest.timestamp) FILTER (WHERE latest.kind = 3) IS NULL
                )
            ORDER BY max(latest.timestamp) DESC, latest.media_id ASC
            LIMIT :items_per_user
        ) AS per_user
    GROUP BY per_user.media_id
)

SELECT
    string_agg(uuid_send(s.media_id), ''::bytea) AS media_keys,
    array_agg(s.user_count::double precision) AS user_counts,
    (SELECT count(*) FROM reader) AS read_users
FROM shared AS s;
