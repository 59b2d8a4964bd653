-- name: fetch_media_of_users_repeated(user_keys, window_start, like_types, watch_types, dislike_types, rows_per_user)
-- What fetch_media_of_users returns, where interactions with a medium are repeated: plays, heartbeats, bots.
--
-- Parameters:
--   user_keys text[]    users, by their ids in binary as hexadecimal digits
--   window_start text   a timestamp, or '-infinity'; what is older, more than a day ahead of now, or without a
--                       timestamp does not count
--   like_types text[], watch_types text[], dislike_types text[]
--                       what the types of interactions mean; other types mean nothing
--   rows_per_user int   how many of a user's latest interactions are put together
-- Returns: one row
--   sizes bytea, media_keys bytea, times bytea, kinds bytea, interaction_values bytea
--                       as fetch_media_of_users returns them, but a medium of a user once for each type, with the
--                       latest time and the sum of the values
-- Index: interaction_user_recent_idx
-- Why: what a user did is grouped here, as it would be 40 times as much to send, and types are looked at after
--   that. Where little is repeated, this takes longer than to send it. Values count in steps of 10^-9: sums of
--   whole steps do not depend on the order of the rows.
SELECT
    string_agg(int4send(coalesce(length(list.kinds), 0)), ''::bytea) AS sizes,
    string_agg(list.media_keys, ''::bytea) AS media_keys,
    string_agg(list.times, ''::bytea) AS times,
    string_agg(list.kinds, ''::bytea) AS kinds,
    string_agg(list.interaction_values, ''::bytea) AS interaction_values
FROM (
    SELECT own.*
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
                    per_type.value_steps / 1e9 AS interaction_value,
                    CASE
                        WHEN per_type.type = any(:like_types::text[]) THEN '\x01'::bytea
                        WHEN per_type.type = any(:watch_types::text[]) THEN '\x02'::bytea
                        WHEN per_type.type = any(:dislike_types::text[]) THEN '\x03'::bytea
                    END AS kind
                FROM (
                    SELECT
                        latest.media_id,
                        latest.type,
                        max(latest.timestamp) AS timestamp,
                        sum(latest.value_steps) AS value_steps
                    FROM (
                        SELECT
                            i.media_id,
                            i.timestamp,
                            i.type::text AS type,
                            CASE
                                WHEN i.interaction_value BETWEEN -1e100 AND 1e100
                                    THEN round(i.interaction_value::double precision * 1e9)
                                ELSE 0
                            END AS value_steps
                        FROM interaction AS i
                        WHERE
                            i.user_id = asked.user_id
                            AND i.timestamp >= :window_start::timestamp
                            AND i.timestamp <= (now() AT TIME ZONE 'UTC') + interval '1 day'
                        ORDER BY i.timestamp DESC, i.media_id ASC, i.type ASC, i.interaction_value ASC
                        LIMIT :rows_per_user::bigint
                    ) AS latest
                    WHERE latest.media_id IS NOT NULL
                    GROUP BY latest.media_id, latest.type
                ) AS per_type
                ORDER BY per_type.timestamp DESC, per_type.media_id ASC, per_type.type ASC
            ) AS per_kind
            WHERE per_kind.kind IS NOT NULL
        ) AS own
    ORDER BY asked.number
) AS list;
