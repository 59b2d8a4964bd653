-- name: fetch_media_of_users(user_keys, window_start, known_until, like_types, watch_types, dislike_types, rows_per_user)
-- The latest interactions of each of some users.
--
-- Parameters:
--   user_keys text[]    users, by their binary ids in hexadecimal
--   window_start text   a timestamp, or '-infinity'; what is older, more than a day ahead of now, or without a
--                       timestamp does not count
--   known_until text    a timestamp, or 'infinity'; what is later is not read
--   like_types text[], watch_types text[], dislike_types text[]
--                       which types are likes, watches and dislikes; no other type is positive or negative
--   rows_per_user int   how many of a user's latest interactions are read
-- Returns: a row for each 500 users; the caller concatenates rows, of which there may be any number
--   sizes bytea         how many interactions of each user there are, in the order of user_keys, as int4send
--                       writes them
--   media_keys bytea, times bytea, kinds bytea, interaction_values bytea
--                       parallel, concatenated by user, latest first: the keys of fetch_catalogue, timestamps as
--                       timestamp_send writes them, a byte for the kind (1 like, 2 watch, 3 dislike), and the
--                       values as float8send writes them; NULL in a row without interactions
-- Index: interaction_user_recent_idx
-- Why: each user is a bounded stretch of one index, whose entries hold every column: the LIMIT comes before any
--   filter by type or medium. The caller computes the positive media: numpy groups the rows in a tenth of the
--   time. The driver keeps a buffer of the size of the largest row for as long as the connection lives, hence
--   several rows; one for each user would wake the caller too often.
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
                string_agg(uuid_send(latest.media_id), ''::bytea) AS media_keys,
                string_agg(timestamp_send(latest.timestamp::timestamp), ''::bytea) AS times,
                string_agg(latest.kind, ''::bytea) AS kinds,
                string_agg(float8send(latest.interaction_value), ''::bytea) AS interaction_values
            FROM (
                SELECT
                    i.media_id,
                    i.timestamp,
                    CASE
                        WHEN i.type::text = any(:like_types::text[]) THEN '\x01'::bytea
                        WHEN i.type::text = any(:watch_types::text[]) THEN '\x02'::bytea
                        WHEN i.type::text = any(:dislike_types::text[]) THEN '\x03'::bytea
                    END AS kind,
                    -- A numeric beyond the range of float8 would not cast; NULL and NaN are 0 too.
                    CASE
                        WHEN
                            i.interaction_value BETWEEN -1e100 AND 1e100
                            THEN i.interaction_value::double precision
                        ELSE 0
                    END AS interaction_value
                FROM interaction AS i
                WHERE
                    i.user_id = asked.user_id
                    AND i.timestamp >= :window_start::timestamp
                    AND i.timestamp <= least(
                        (now() AT TIME ZONE 'UTC') + interval '1 day', :known_until::timestamp
                    )
                ORDER BY i.timestamp DESC, i.media_id ASC, i.type ASC, i.interaction_value ASC
                LIMIT :rows_per_user
            ) AS latest
            WHERE
                latest.media_id IS NOT NULL
                AND latest.kind IS NOT NULL
        ) AS own
    ORDER BY slice, asked.number
) AS list
GROUP BY list.slice
ORDER BY list.slice;
