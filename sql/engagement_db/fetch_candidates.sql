-- name: fetch_candidates(user_ids, media_ids, idf_weights, window_start, users_per_item, shortlist, similar_users, items_per_user)
-- The users most similar to each of some users, and what they liked or watched.
--
-- Parameters:
--   user_ids text[], media_ids text[], idf_weights int[]
--                       three arrays in step: a user (NULL is somebody without an id), a medium of the user's
--                       positive history, and the medium's idf in fixed point
--   window_start text   a timestamp, or '-infinity'; what is older, or has no timestamp, does not count
--   users_per_item int  how many of a medium's latest positive interactions of others are read
--   shortlist int       how many users, by overlap, have their similarity worked out
--   similar_users int   how many of those users count as similar (K)
--   items_per_user int  how many of a shortlisted user's latest interactions are read
-- Returns: a row for each user who is similar to any of those asked about
--   similar_to text[]   the asked users this one is similar to, NULL among them where it was asked about
--   media_keys bytea, total_values float8[]
--                       in step: the keys of what this user liked or watched, one after the other, each
--                       medium once; and the sum of the user's values for it
-- Index: interaction_media_recent_idx, interaction_user_recent_idx
-- Why: every step reads a bounded stretch of one index, however large the table. On the user's side the
--   limit comes before the look at the type, lest somebody who only dislikes is read to the end.
--   MATERIALIZED: a history is read once, for its size and for its media, whoever it is shortlisted for.
--   Adding up over similar users is left to the caller: arrays are quicker at it than a third aggregate.
--   Keys are those of fetch_catalogue: thousands of them are sent and found again in a fraction of the
--   time that ids take as text.
--   Fixed-point weights, values in steps of 2^-30: such sums do not depend on the order of the rows, so
--   that equals are equal and ties fall to the id. Values beyond 1e100 count as 0, as do NULL and NaN:
--   one of them must not make a sum overflow.
WITH history AS (
    SELECT
        h.user_id,
        array_agg(h.media_id) AS media_ids,
        array_agg(h.idf_weight) AS idf_weights
    FROM
        unnest(:user_ids::text[]::uuid[], :media_ids::text[]::uuid[], :idf_weights::int[])
            AS h (user_id, media_id, idf_weight)
    GROUP BY h.user_id
),

shortlisted AS MATERIALIZED (
    SELECT
        h.user_id,
        top.other_id,
        top.overlap
    FROM history AS h
    INNER JOIN LATERAL (
        SELECT
            other.user_id AS other_id,
            sum(other.idf_weight) AS overlap
        FROM (
            SELECT DISTINCT
                latest.user_id,
                item.media_id,
                item.idf_weight
            FROM unnest(h.media_ids, h.idf_weights) AS item (media_id, idf_weight)
            CROSS JOIN LATERAL (
                SELECT i.user_id
                FROM interaction AS i
                WHERE
                    i.media_id = item.media_id
                    AND i.user_id IS DISTINCT FROM h.user_id
                    AND i.type IN ('LIKE', 'WATCH')
                    AND i.timestamp >= :window_start::timestamp
                ORDER BY i.timestamp DESC, i.user_id ASC
                LIMIT :users_per_item
            ) AS latest
        ) AS other
        GROUP BY other.user_id
        HAVING sum(other.idf_weight) > 0
        ORDER BY overlap DESC, other_id ASC
        LIMIT :shortlist
    ) AS top ON TRUE
),

recent AS MATERIALIZED (
    SELECT
        s.other_id,
        item.media_keys,
        item.total_values
    FROM (SELECT DISTINCT other_id FROM shortlisted) AS s
    CROSS JOIN LATERAL (
        SELECT
            string_agg(uuid_send(per_media.media_id), ''::bytea) AS media_keys,
            array_agg(per_media.total_value) AS total_values
        FROM (
            SELECT
                latest.media_id,
                sum(latest.interaction_value) AS total_value
            FROM (
                SELECT
                    i.media_id,
                    i.type,
                    CASE
                        WHEN i.interaction_value BETWEEN -1e100 AND 1e100
                            THEN round(i.interaction_value * 1073741824) / 1073741824
                        ELSE 0
                    END AS interaction_value
                FROM interaction AS i
                WHERE
                    i.user_id = s.other_id
                    AND i.timestamp >= :window_start::timestamp
                ORDER BY i.timestamp DESC, i.media_id ASC, i.type ASC, i.interaction_value ASC
                LIMIT :items_per_user
            ) AS latest
            WHERE latest.type IN ('LIKE', 'WATCH')
            GROUP BY latest.media_id
        ) AS per_media
    ) AS item
),

ranked AS (
    SELECT
        s.user_id,
        s.other_id,
        row_number() OVER (
            PARTITION BY s.user_id
            ORDER BY s.overlap / sqrt(coalesce(cardinality(r.total_values), 0) + 10) DESC, s.other_id ASC
        ) AS place
    FROM shortlisted AS s
    INNER JOIN recent AS r ON s.other_id = r.other_id
)

SELECT
    similar_user.similar_to,
    r.media_keys,
    r.total_values
FROM (
    SELECT
        ranked.other_id,
        array_agg(ranked.user_id::text) AS similar_to
    FROM ranked
    WHERE ranked.place <= :similar_users
    GROUP BY ranked.other_id
) AS similar_user
INNER JOIN recent AS r ON similar_user.other_id = r.other_id
WHERE r.media_keys IS NOT NULL;
