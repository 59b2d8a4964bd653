-- name: fetch_users_of_media(media_ids, row_limits, window_start, known_until, like_types, watch_types, dislike_types)
-- The latest users of each of some media, and their interactions with it.
--
-- Parameters:
--   media_ids text[], row_limits int[]
--                       parallel arrays: media, and how many of the latest interactions of each are read
--   window_start text   a timestamp, or '-infinity'; what is older, more than a day ahead of now, or without a
--                       timestamp does not count
--   known_until text    a timestamp, or 'infinity'; what is later is not read
--   like_types text[], watch_types text[], dislike_types text[]
--                       which types are likes, watches and dislikes; no other type is positive or negative
-- Returns: a row for each 100 media; the caller concatenates rows, of which there may be any number
--   sizes bytea         how many interactions of each medium there are, in the order of the arrays, as int4send
--                       writes them
--   user_keys bytea, times bytea, kinds bytea
--                       parallel, concatenated by medium, latest first: binary user ids (of equal width, a
--                       multiple of 8 bytes), timestamps as timestamp_send writes them, and a byte for the kind
--                       (1 like, 2 watch, 3 dislike); NULL in a row without interactions
-- Index: interaction_media_latest_idx
-- Why: each medium is a bounded stretch of one index, however large the table and however often an interaction
--   is repeated: the LIMIT comes before any filter by type or user. The caller computes positive users and
--   overlaps: numpy takes a tenth of the time, and a medium in a hundred histories is read once. Binary columns
--   take a fraction of the time of text. Rows are of many media, because each wakes the caller, but not of
--   all: the driver keeps a buffer of the size of the largest row for as long as the connection lives.
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
                string_agg(uuid_send(latest.user_id), ''::bytea) AS user_keys,
                string_agg(timestamp_send(latest.timestamp::timestamp), ''::bytea) AS times,
                string_agg(latest.kind, ''::bytea) AS kinds
            FROM (
                SELECT
                    i.user_id,
                    i.timestamp,
                    CASE
                        WHEN i.type::text = any(:like_types::text[]) THEN '\x01'::bytea
                        WHEN i.type::text = any(:watch_types::text[]) THEN '\x02'::bytea
                        WHEN i.type::text = any(:dislike_types::text[]) THEN '\x03'::bytea
                    END AS kind
                FROM interaction AS i
                WHERE
                    i.media_id = asked.media_id
                    AND i.timestamp >= :window_start::timestamp
                    AND i.timestamp <= least(
                        (now() AT TIME ZONE 'UTC') + interval '1 day', :known_until::timestamp
                    )
                ORDER BY i.timestamp DESC, i.user_id ASC, i.type ASC
                LIMIT asked.row_limit
            ) AS latest
            WHERE
                latest.user_id IS NOT NULL
                AND latest.kind IS NOT NULL
        ) AS own
    ORDER BY slice, asked.number
) AS list
GROUP BY list.slice
ORDER BY list.slice;
