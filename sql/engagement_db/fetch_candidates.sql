-- name: fetch_candidates(user_ids, media_ids, idf_weights, row_limits, window_start, like_types, watch_types, dislike_types, shortlist, rows_per_user)
-- The users who share most with each of some users, and their latest interactions.
--
-- Parameters:
--   user_ids text[], media_ids text[], idf_weights int[], row_limits int[]
--                       parallel arrays: a user (NULL is a user without an id), a medium of the user's positive
--                       history, the medium's idf in fixed point, and how many of the medium's latest
--                       interactions are read
--   window_start text   a timestamp, or '-infinity'; what is older, more than a day ahead of now, or without a
--                       timestamp does not count
--   like_types text[], watch_types text[], dislike_types text[]
--                       what the types of interactions mean; other types mean nothing
--   shortlist int       how many users are returned for each user asked about, by overlap
--   rows_per_user int   how many of a shortlisted user's latest interactions are returned
-- Returns: a row for each shortlisted user
--   other_id text
--   asked_ids text[], overlap_sums bigint[]
--                       parallel arrays: the users asked about, NULL among them where it was asked about, and the
--                       sums of the idf of what they share
--   media_keys bytea, times bytea, kinds bytea, interaction_values bytea
--                       parallel, latest first, one after the other: the keys of fetch_catalogue, timestamps as
--                       timestamp_send writes them, a byte for the kind (1 like, 2 watch, 3 dislike), and the
--                       values as float8send writes them; NULL where there are no such interactions
-- Index: interaction_media_latest_idx, interaction_user_recent_idx
-- Why: every step reads a bounded stretch of one index, however large the table and however often an
--   interaction is repeated: each LIMIT on rows comes before any look at their type or user. Users who
--   disliked a medium after they liked it do not share it. What a shortlisted user likes is worked out by the
--   caller: to group rows by medium and verdict takes numpy a tenth of the time. Keys, times and values in
--   binary are sent and read in a fraction of the time that text takes.
--   Fixed-point weights: their sums do not depend on the order of the rows, so that equal overlaps are equal
--   and ties fall to the id.
WITH history AS (
    SELECT
        h.user_id,
        array_agg(h.media_id) AS media_ids,
        array_agg(h.idf_weight) AS idf_weights,
        array_agg(h.row_limit) AS row_limits
    FROM
        unnest(
            :user_ids::text[]::uuid[], :media_ids::text[]::uuid[], :idf_weights::int[], :row_limits::int[]
        ) AS h (user_id, media_id, idf_weight, row_limit)
    GROUP BY h.user_id
),

shortlisted AS (
    SELECT
        top.other_id,
        array_agg(h.user_id::text) AS asked_ids,
        array_agg(top.overlap) AS overlap_sums
    FROM history AS h
    INNER JOIN LATERAL (
        SELECT
            pair.user_id AS other_id,
            sum(pair.idf_weight) AS overlap
        FROM (
            SELECT
                latest.user_id,
                item.idf_weight
            FROM unnest(h.media_ids, h.idf_weights, h.row_limits) AS item (media_id, idf_weight, row_limit)
            CROSS JOIN
                LATERAL (
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
                        i.media_id = item.media_id
                        AND i.timestamp >= :window_start::timestamp
                        AND i.timestamp <= (now() AT TIME ZONE 'UTC') + interval '1 day'
                    ORDER BY i.timestamp DESC, i.user_id ASC, i.type ASC
                    LIMIT item.row_limit
                ) AS latest
            WHERE
                item.idf_weight > 0
                AND latest.user_id IS DISTINCT FROM h.user_id
                AND latest.user_id IS NOT NULL
                AND latest.kind IS NOT NULL
            GROUP BY latest.user_id, item.media_id, item.idf_weight
            HAVING
                coalesce(
                    max(latest.timestamp) FILTER (WHERE latest.kind = 1)
                    > max(latest.timestamp) FILTER (WHERE latest.kind = 3),
                    max(latest.timestamp) FILTER (WHERE latest.kind = 3) IS NULL
                )
        ) AS pair
        GROUP BY pair.user_id
        ORDER BY overlap DESC, other_id ASC
        LIMIT :shortlist
    ) AS top ON TRUE
    GROUP BY top.other_id
)

SELECT
    s.other_id::text AS other_id,
    s.asked_ids,
    s.overlap_sums,
    item.media_keys,
    item.times,
    item.kinds,
    item.interaction_values
FROM shortlisted AS s
CROSS JOIN LATERAL (
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
                WHEN i.interaction_value BETWEEN -1e100 AND 1e100 THEN i.interaction_value::double precision
                ELSE 0
            END AS interaction_value
        FROM interaction AS i
        WHERE
            i.user_id = s.other_id
            AND i.timestamp >= :window_start::timestamp
            AND i.timestamp <= (now() AT TIME ZONE 'UTC') + interval '1 day'
        ORDER BY i.timestamp DESC, i.media_id ASC, i.type ASC, i.interaction_value ASC
        LIMIT :rows_per_user
    ) AS latest
    WHERE
        latest.media_id IS NOT NULL
        AND latest.kind IS NOT NULL
) AS item;
