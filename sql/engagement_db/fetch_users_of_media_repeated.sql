-- name: fetch_users_of_media_repeated(media_ids, row_limits, window_start, known_until, like_types, watch_types, dislike_types, users_per_item)
-- The same as fetch_users_of_media, for repeated interactions with a medium: plays, heartbeats, bots.
--
-- Parameters:
--   media_ids text[], row_limits int[]
--                       parallel arrays: media, and the largest number of rows to read of each
--   window_start text   a timestamp, or '-infinity'; what is older, more than a day ahead of now, or without a
--                       timestamp does not count
--   known_until text    a timestamp, or 'infinity'; what is later is not read
--   like_types text[], watch_types text[], dislike_types text[]
--                       which types are likes, watches and dislikes; no other type is positive or negative
--   users_per_item int  how many of a medium's latest users count
-- Returns: a row for each 100 media; the caller concatenates rows, of which there may be any number
--   sizes bytea, user_keys bytea, times bytea, kinds bytea
--                       as fetch_users_of_media returns them, but each user of a medium once per type, with the
--                       latest time
-- Index: interaction_media_latest_idx
-- Why: the latest users of a medium may be anywhere within its row limit. The latest rows are read, then four
--   times as many, and so forth, until there are a quarter more users than needed, as some will have disliked it.
--   A user with other types only, such as impressions, does not count. Repetitions are combined here, as
--   sending them would take 40 times as long; types are compared after that.
SELECT
    string_agg(int4send(coalesce(length(list.kinds), 0)), ''::bytea) AS sizes,
    string_agg(list.user_keys, ''::bytea) AS user_keys,
    string_agg(list.times, ''::bytea) AS times,
    string_agg(list.kinds, ''::bytea) AS kinds
FROM (
    SELECT
        own.*,
        (asked.number - 1) / 100 AS slice
    FROM
        unnest(:media_ids::text[]::uuid[], :row_limits::int[])
        WITH ORDINALITY AS asked (media_id, row_limit, number)
    CROSS JOIN
        LATERAL (
            SELECT
                string_agg(uuid_send(per_kind.user_id), ''::bytea) AS user_keys,
                string_agg(timestamp_send(per_kind.timestamp::timestamp), ''::bytea) AS times,
                string_agg(per_kind.kind, ''::bytea) AS kinds
            FROM (
                SELECT
                    latest.user_id,
                    CASE
                        WHEN latest.type::text = any(:like_types::text[]) THEN '\x01'::bytea
                        WHEN latest.type::text = any(:watch_types::text[]) THEN '\x02'::bytea
                        WHEN latest.type::text = any(:dislike_types::text[]) THEN '\x03'::bytea
                    END AS kind,
                    max(latest.timestamp) AS timestamp
                FROM (
                    SELECT
                        i.user_id,
                        i.timestamp,
                        i.type
                    FROM interaction AS i
                    WHERE
                        i.media_id = asked.media_id
                        AND i.timestamp >= :window_start::timestamp
                        AND i.timestamp <= least(
                            (now() AT TIME ZONE 'UTC') + interval '1 day', :known_until::timestamp
                        )
                    ORDER BY i.timestamp DESC, i.user_id ASC, i.type ASC
                    LIMIT
                        CASE
                            WHEN asked.row_limit <= :users_per_item::bigint THEN asked.row_limit
                            ELSE (
                                WITH RECURSIVE stretch AS (
                                    SELECT least(4 * :users_per_item::bigint, asked.row_limit) AS row_count
                                    UNION ALL
                                    SELECT least(4 * s.row_count, asked.row_limit) AS row_count
                                    FROM stretch AS s
                                    WHERE
                                        s.row_count < asked.row_limit
                                        AND 1.25 * :users_per_item::bigint > (
                                            SELECT count(*)
                                            FROM (
                                                SELECT DISTINCT e.user_id
                                                FROM (
                                                    SELECT DISTINCT
                                                        read.user_id,
                                                        read.type
                                                    FROM (
                                                        SELECT
                                                            r.user_id,
                                                            r.type
                                                        FROM interaction AS r
                                                        WHERE
                                                            r.media_id = asked.media_id
                                                            AND r.timestamp >= :window_start::timestamp
                                                            AND r.timestamp <= least(
                                                                (now() AT TIME ZONE 'UTC') + interval '1 day',
                                                                :known_until::timestamp
                                                            )
                                                        ORDER BY r.timestamp DESC, r.user_id ASC, r.type ASC
                                                        LIMIT s.row_count
                                                    ) AS read
                                                    ORDER BY read.user_id ASC, read.type ASC
                                                    -- As below: keeps the condition from being tested for each row.
                                                    OFFSET 0
                                                ) AS e
                                                WHERE
                                                    e.user_id IS NOT NULL
                                                    AND (
                                                        e.type::text = any(:like_types::text[])
                                                        OR e.type::text = any(:watch_types::text[])
                                                        OR e.type::text = any(:dislike_types::text[])
                                                    )
                                            ) AS d
                                        )
                                )

                                SELECT max(stretch.row_count) FROM stretch
                            )
                        END
                ) AS latest
                WHERE latest.user_id IS NOT NULL
                GROUP BY latest.user_id, latest.type
                ORDER BY max(latest.timestamp) DESC, latest.user_id ASC, latest.type ASC
                -- Keeps the condition below from being tested for each row that is read.
                OFFSET 0
            ) AS per_kind
            WHERE per_kind.kind IS NOT NULL
        ) AS own
    ORDER BY slice, asked.number
) AS list
GROUP BY list.slice
ORDER BY list.slice;
