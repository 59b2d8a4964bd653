-- name: stream_positive_histories(window_start, known_until, like_types, watch_types, dislike_types)
-- The training data of models: the positive media of each user, with times and summed values.
--
-- Parameters:
--   window_start text   a timestamp, or '-infinity'; what is older, more than a day ahead of now, or without a
--                       timestamp does not count
--   known_until text    a timestamp, or 'infinity'; what is later is not read
--   like_types text[], watch_types text[], dislike_types text[]
--                       which types are likes, watches and dislikes; no other type is positive or negative
-- Returns: a row for each user with any positive medium, in any order
--   user_id text
--   media_ids text[], total_values float8[], liked boolean[], times float8[]
--                      parallel arrays: each medium once, the sum of the values of the user's likes and
--                      watches of it, whether one of them is a like, and the time of the last of them, in
--                      seconds since 1970
-- Index: interaction_user_recent_idx
-- Why: run when a model is trained, through a cursor. The index returns the rows user by user, so that nothing
--   larger than one history is sorted, and the first rows come at once. Values are in steps of 10^-9: sums of
--   integers do not depend on the order of the rows.
SELECT
    h.user_id::text AS user_id,
    array_agg(h.media_id::text) AS media_ids,
    array_agg(h.total_value) AS total_values,
    array_agg(h.liked) AS liked,
    array_agg(h.happened_at) AS times
FROM (
    SELECT
        i.user_id,
        i.media_id,
        (sum(i.value_steps) FILTER (WHERE i.kind IN (1, 2)) / 1e9)::double precision AS total_value,
        bool_or(i.kind = 1) AS liked,
        extract(EPOCH FROM max(i.timestamp) FILTER (WHERE i.kind IN (1, 2)))::double precision AS happened_at
    FROM (
        SELECT
            user_id,
            media_id,
            timestamp,
            CASE
                WHEN type::text = any(:like_types::text[]) THEN 1
                WHEN type::text = any(:watch_types::text[]) THEN 2
                WHEN type::text = any(:dislike_types::text[]) THEN 3
            END AS kind,
            -- A numeric beyond the range of float8 would not cast; NULL and NaN are 0 too.
            CASE
                WHEN interaction_value BETWEEN -1e100 AND 1e100
                    THEN round(interaction_value::double precision * 1e9)
                ELSE 0
            END AS value_steps
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
) AS h
GROUP BY h.user_id;
