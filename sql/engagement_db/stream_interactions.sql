-- name: stream_interactions(like_types, watch_types, dislike_types, excluding_types)
-- All interactions of users, of any time.
--
-- Parameters:
--   like_types text[], watch_types text[], dislike_types text[]
--                       which types are likes, watches and dislikes; no other type is positive or negative
--   excluding_types text[]
--                       types that exclude a medium; empty for all types
-- Returns: a row for each user with interactions, in any order
--   user_id text
--   media_ids text[], kinds int[], total_values float8[], times float8[], excluding boolean[]
--                      parallel arrays, an entry per interaction: the medium; 1 like, 2 watch, 3 dislike, 0 for
--                      other types, more than a day ahead of now, or without timestamp; the value; seconds since
--                      1970, NaN without a timestamp; whether it excludes the medium
-- Index: interaction_user_recent_idx
-- Why: run by trainings, evaluations and experiments, through a cursor. They split interactions by time, so that no
--   window applies. The index returns rows by user, so that nothing larger than one history is held in memory.
--   Values are in steps of 10^-9, as in training data.
SELECT
    i.user_id::text AS user_id,
    array_agg(i.media_id::text) AS media_ids,
    array_agg(i.kind) AS kinds,
    array_agg(i.total_value) AS total_values,
    array_agg(i.happened_at) AS times,
    array_agg(i.excludes) AS excluding
FROM (
    SELECT
        user_id,
        media_id,
        CASE
            WHEN timestamp IS NULL OR timestamp > (now() AT TIME ZONE 'UTC') + interval '1 day' THEN 0
            WHEN type::text = any(:like_types::text[]) THEN 1
            WHEN type::text = any(:watch_types::text[]) THEN 2
            WHEN type::text = any(:dislike_types::text[]) THEN 3
            ELSE 0
        END::int AS kind,
        -- A numeric beyond the range of float8 would not cast; NULL and NaN are 0 too.
        CASE
            WHEN interaction_value BETWEEN -1e100 AND 1e100
                THEN round(interaction_value::double precision * 1e9) / 1e9
            ELSE 0
        END::double precision AS total_value,
        coalesce(extract(EPOCH FROM timestamp)::double precision, 'NaN'::double precision) AS happened_at,
        cardinality(:excluding_types::text[]) = 0
        OR coalesce(type::text = any(:excluding_types::text[]), FALSE) AS excludes
    FROM interaction
    WHERE user_id IS NOT NULL AND media_id IS NOT NULL
) AS i
GROUP BY i.user_id;
