-- name: fetch_media_of_users_repeated(user_keys, window_start, known_until, like_types, watch_types, dislike_types, rows_per_user)
-- The same as fetch_media_of_users, for repeated interactions with a medium: plays, heartbeats, bots.
--
-- Parameters:
--   user_keys text[]    users, by their binary ids in hexadecimal
--   window_start text   a timestamp, or '-infinity'; what is older, more than a day ahead of now, or without a
--                       timestamp does not count
--   known_until text    a timestamp, or 'infinity'; what is later is not read
--   like_types text[], watch_types text[], dislike_types text[]
--                       which types are likes, watches and dislikes; no other type is positive or negative
--   rows_per_user int   how many of a user's latest interactions are combined
-- Returns: a row for each 500 users; the caller concatenates rows, of which there may be any number
--   sizes bytea, media_keys bytea, times bytea, kinds bytea, interaction_values bytea
--                       as fetch_media_of_users returns them, but each medium of a user once per type and value,
--                       with the latest time and the sum of the repeated values
-- Index: interaction_user_recent_idx
-- Why: repetitions are combined here, as sending them would take 40 times as long; types and values are read
--   after that. With few repetitions, sending them is faster. Values are in steps of 10^-9, as in the caller.
SELECT
    string_agg(int4send(coalesce(length(list.kinds), 0)), ''::bytea) AS sizes,
    string_agg(list.media_keys, ''::bytea) AS media_keys,
    string_agg(list.times, ''::bytea) AS times,
    string_agg(list.kinds, ''::bytea) AS kinds,
    string_agg(list.interaction_values, ''::bytea) AS interaction_values
FROM (
    SELECT
        own.*,
        (asked.number - 1) / 500 AS slice
    FROM (
        SELECT
            given.number,
            given.user_key::uuid AS user_id
        FROM unnest(:user_keys::text[]) WITH ORDINALITY AS given (user_key, number)
    ) AS asked
    CROSS JOIN
        LATERAL (
            SELECT
                string_agg(uuid_send(per_kind.media_id), ''::bytea) AS media_keys,
                string_agg(timestamp_send(per_kind.timestamp::timestamp), ''::bytea) AS times,
                string_agg(per_kind.kind, ''::bytea) AS kinds,
                string_agg(float8send(per_kind.interaction_value), ''::bytea) AS interaction_values
            FROM (
                SELECT
                    per_type.media_id,
                    per_type.timestamp,
                    CASE
                        WHEN per_type.interaction_value BETWEEN -1e100 AND 1e100
                            THEN
                                per_type.row_count
                                * round(per_type.interaction_value::double precision * 1e9)
                                / 1e9
                        ELSE 0
                    END AS interaction_value,
                    CASE
                        WHEN per_type.type::text = any(:like_types::text[]) THEN '\x01'::bytea
                        WHEN per_type.type::text = any(:watch_types::text[]) THEN '\x02'::bytea
                        WHEN per_type.type::text = any(:dislike_types::text[]) THEN '\x03'::bytea
                    END AS kind
                FROM (
                    SELECT
                        latest.media_id,
                        latest.type,
                        latest.interaction_value,
                        max(latest.timestamp) AS timestamp,
                        count(*) AS row_count
                    FROM (
                        SELECT
                            i.media_id,
                            i.timestamp,
                            i.type,
                            i.interaction_value
                        FROM interaction AS i
                        WHERE
                            i.user_id = asked.user_id
                            AND i.timestamp >= :window_start::timestamp
                            AND i.timestamp <= least(
                                (now() AT TIME ZONE 'UTC') + interval '1 day', :known_until::timestamp
                            )
                        ORDER BY i.timestamp DESC, i.media_id ASC, i.type ASC, i.interaction_value ASC
                        LIMIT :rows_per_user::bigint
                    ) AS latest
                    WHERE latest.media_id IS NOT NULL
                    GROUP BY latest.media_id, latest.type, latest.interaction_value
                ) AS per_type
                ORDER BY
                    per_type.timestamp DESC,
                    per_type.media_id ASC,
                    per_type.type ASC,
                    per_type.interaction_value ASC
                -- Keeps the condition below from being tested for each row that is read.
                OFFSET 0
            ) AS per_kind
            WHERE per_kind.kind IS NOT NULL
        ) AS own
    ORDER BY slice, asked.number
) AS list
GROUP BY list.slice
ORDER BY list.slice;
