-- name: fetch_candidates_repeated(user_ids, media_ids, idf_weights, row_limits, window_start, like_types, watch_types, dislike_types, users_per_item, shortlist, rows_per_user)
-- What fetch_candidates returns, where interactions with a medium are repeated: plays, heartbeats, bots.
--
-- Parameters:
--   user_ids text[], media_ids text[], idf_weights int[], row_limits int[]
--                       parallel arrays, as in fetch_candidates; row_limits is the most that is read
--   window_start text   a timestamp, or '-infinity'; what is older, more than a day ahead of now, or without a
--                       timestamp does not count
--   like_types text[], watch_types text[], dislike_types text[]
--                       what the types of interactions mean; other types mean nothing
--   users_per_item int  how many of a medium's latest users count
--   shortlist int       how many users are returned for each user asked about, by overlap
--   rows_per_user int   how many of a shortlisted user's latest interactions are put together
-- Returns: a row for each shortlisted user
--   other_id text
--   asked_ids text[], overlap_sums bigint[]
--                       as fetch_candidates returns them
--   media_keys bytea, times bytea, kinds bytea, interaction_values bytea
--                       as there, but a medium once for each type, with the latest time and the sum of the
--                       values
-- Index: interaction_media_latest_idx, interaction_user_recent_idx
-- Why: the latest users of a medium may be anywhere in its row limit. They are looked for in stretches that
--   double, until there are a quarter more users than count (some of them will have disliked it), so that
--   40 rows a pair cost little more than one where they are spread. What a shortlisted user did is grouped
--   here, as it would be 40 times as much to send, and types are looked at after that. Both would make
--   fetch_candidates slower by a tenth. Values count in steps of 10^-9: sums of whole steps do not depend on
--   the order of the rows.
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
            other.user_id AS other_id,
            sum(item.idf_weight) AS overlap
        FROM unnest(h.media_ids, h.idf_weights, h.row_limits) AS item (media_id, idf_weight, row_limit)
        CROSS JOIN
            LATERAL (
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
                        i.media_id = item.media_id
                        AND i.timestamp >= :window_start::timestamp
                        AND i.timestamp <= (now() AT TIME ZONE 'UTC') + interval '1 day'
                    ORDER BY i.timestamp DESC, i.user_id ASC, i.type ASC
                    LIMIT
                        CASE
                            WHEN item.row_limit <= :users_per_item::bigint THEN item.row_limit
                            ELSE (
                                WITH RECURSIVE stretch AS (
                                    SELECT least(4 * :users_per_item::bigint, item.row_limit) AS row_count
                                    UNION ALL
                                    SELECT least(2 * s.row_count, item.row_limit) AS row_count
                                    FROM stretch AS s
                                    WHERE
                                        s.row_count < item.row_limit
                                        AND 1.25 * :users_per_item::bigint > (
                                            SELECT count(DISTINCT d.user_id)
                                            FROM (
                                                SELECT r.user_id
                                                FROM interaction AS r
                                                WHERE
                                                    r.media_id = item.media_id
                                                    AND r.timestamp >= :window_start::timestamp
                                                    AND r.timestamp
                                                    <= (now() AT TIME ZONE 'UTC') + interval '1 day'
                                                ORDER BY r.timestamp DESC, r.user_id ASC, r.type ASC
                                                LIMIT s.row_count
                                            ) AS d
                                        )
                                )

                                SELECT max(stretch.row_count) FROM stretch
                            )
                        END
                ) AS latest
                WHERE
                    latest.user_id IS DISTINCT FROM h.user_id
                    AND latest.user_id IS NOT NULL
                    AND latest.kind IS NOT NULL
                GROUP BY latest.user_id
                HAVING
                    coalesce(
                        max(latest.timestamp) FILTER (WHERE latest.kind = 1)
                        > max(latest.timestamp) FILTER (WHERE latest.kind = 3),
                        max(latest.timestamp) FILTER (WHERE latest.kind = 3) IS NULL
                    )
                ORDER BY max(latest.timestamp) DESC, latest.user_id ASC
                LIMIT :users_per_item::bigint
            ) AS other
        WHERE item.idf_weight > 0
        GROUP BY other.user_id
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
        string_agg(uuid_send(own.media_id), ''::bytea) AS media_keys,
        string_agg(timestamp_send(own.timestamp::timestamp), ''::bytea) AS times,
        string_agg(own.kind, ''::bytea) AS kinds,
        string_agg(float8send(own.interaction_value), ''::bytea) AS interaction_values
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
                    i.user_id = s.other_id
                    AND i.timestamp >= :window_start::timestamp
                    AND i.timestamp <= (now() AT TIME ZONE 'UTC') + interval '1 day'
                ORDER BY i.timestamp DESC, i.media_id ASC, i.type ASC, i.interaction_value ASC
                LIMIT :rows_per_user::bigint
            ) AS latest
            WHERE latest.media_id IS NOT NULL
            GROUP BY latest.media_id, latest.type
        ) AS per_type
        ORDER BY per_type.timestamp DESC, per_type.media_id ASC, per_type.type ASC
    ) AS own
    WHERE own.kind IS NOT NULL
) AS item;
