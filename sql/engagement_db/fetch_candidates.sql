-- name: fetch_candidates(user_ids, media_ids, idf_weights, window_start, users_per_item, shortlist, items_counted, similar_users, items_per_user)
-- What the users most similar to each of some users liked or watched, counted and summed.
--
-- Parameters:
--   user_ids text[], media_ids text[], idf_weights int[]
--                       three arrays in step: a user, a medium of the user's positive history, and the
--                       medium's idf in fixed point
--   window_start text   a timestamp, or '-infinity'; what is older, or has no timestamp, does not count
--   users_per_item int  how many of a medium's latest positive interactions of others are read
--   shortlist int       how many users, by overlap, have their similarity worked out
--   items_counted int   how many of such a user's latest interactions are read for the size of the history
--   similar_users int   how many of those users count as similar (K)
--   items_per_user int  how many of a similar user's latest interactions are read for candidates
-- Returns: a row for each user who has similar users
--   user_id text
--   media_ids text[], similar_user_counts int[], total_values float8[]
--                       three arrays in step, in no order; media the user has seen are among them
-- Index: interaction_media_recent_idx, interaction_user_recent_idx
-- Why: every step reads a bounded stretch of one index, however large the table. On the user's side the
--   limit comes before the look at the type, lest somebody who only dislikes is read to the end.
--   MATERIALIZED: inlined, a history would be counted again for every user it is shortlisted for.
--   Fixed-point weights: integer sums do not depend on the order of the rows, so that equal overlaps
--   are equal and ties fall to the user id. For the same reason values are summed in order of size.
--   Values beyond 1e100 count as 0, as do NULL and NaN: one of them must not make a sum overflow.
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
            sum(item.idf_weight) AS overlap
        FROM unnest(h.media_ids, h.idf_weights) AS item (media_id, idf_weight)
        INNER JOIN LATERAL (
            SELECT DISTINCT latest.user_id
            FROM (
                SELECT i.user_id
                FROM interaction AS i
                WHERE
                    i.media_id = item.media_id
                    AND i.user_id <> h.user_id
                    AND i.type IN ('LIKE', 'WATCH')
                    AND i.timestamp >= :window_start::timestamp
                ORDER BY i.timestamp DESC, i.user_id ASC
                LIMIT :users_per_item
            ) AS latest
        ) AS other ON TRUE
        GROUP BY other.user_id
        HAVING sum(item.idf_weight) > 0
        ORDER BY overlap DESC, other_id ASC
        LIMIT :shortlist
    ) AS top ON TRUE
),

history_sizes AS MATERIALIZED (
    SELECT
        s.other_id,
        (
            SELECT count(DISTINCT latest.media_id)
            FROM (
                SELECT
                    i.media_id,
                    i.type
                FROM interaction AS i
                WHERE
                    i.user_id = s.other_id
                    AND i.timestamp >= :window_start::timestamp
                ORDER BY i.timestamp DESC, i.media_id ASC, i.type ASC
                LIMIT :items_counted
            ) AS latest
            WHERE latest.type IN ('LIKE', 'WATCH')
        ) AS history_size
    FROM (SELECT DISTINCT other_id FROM shortlisted) AS s
),

similar_users AS (
    SELECT
        ranked.user_id,
        ranked.other_id
    FROM (
        SELECT
            s.user_id,
            s.other_id,
            row_number() OVER (
                PARTITION BY s.user_id
                ORDER BY s.overlap / sqrt(hs.history_size + 10) DESC, s.other_id ASC
            ) AS place
        FROM shortlisted AS s
        INNER JOIN history_sizes AS hs ON s.other_id = hs.other_id
    ) AS ranked
    WHERE ranked.place <= :similar_users
),

candidates AS (
    SELECT
        su.user_id,
        item.media_id,
        count(*) AS similar_user_count,
        sum(item.total_value ORDER BY item.total_value) AS total_value
    FROM similar_users AS su
    INNER JOIN LATERAL (
        SELECT
            latest.media_id,
            sum(latest.interaction_value ORDER BY latest.interaction_value) AS total_value
        FROM (
            SELECT
                i.media_id,
                i.type,
                CASE
                    WHEN i.interaction_value BETWEEN -1e100 AND 1e100 THEN i.interaction_value
                    ELSE 0
                END AS interaction_value
            FROM interaction AS i
            WHERE
                i.user_id = su.other_id
                AND i.timestamp >= :window_start::timestamp
            ORDER BY i.timestamp DESC, i.media_id ASC, i.type ASC, i.interaction_value ASC
            LIMIT :items_per_user
        ) AS latest
        WHERE latest.type IN ('LIKE', 'WATCH')
        GROUP BY latest.media_id
    ) AS item ON TRUE
    GROUP BY su.user_id, item.media_id
)

SELECT
    c.user_id::text AS user_id,
    array_agg(c.media_id::text) AS media_ids,
    array_agg(c.similar_user_count::int) AS similar_user_counts,
    array_agg(c.total_value) AS total_values
FROM candidates AS c
GROUP BY c.user_id;
