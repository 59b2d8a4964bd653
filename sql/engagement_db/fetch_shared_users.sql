-- name: fetch_shared_users(media_id, window_start, users_per_item, items_per_user)
-- What the users who liked or watched a medium liked or watched besides.
--
-- Parameters:
--   media_id text       of a medium in the catalogue
--   window_start text   a timestamp, or '-infinity'; what is older, or has no timestamp, does not count
--   users_per_item int  how many of the medium's latest positive interactions are read
--   items_per_user int  how many of each of those users' latest interactions are read
-- Returns: one row
--   media_keys bytea, user_counts float8[]
--                       in step: the keys of what the users have, one after the other, the medium itself among
--                       them; and how many of the users have each. NULL where nobody was found
--   read_users bigint   how many users were found
-- Index: interaction_media_recent_idx, interaction_user_recent_idx
-- Why: bounded stretches of both indexes, as in fetch_candidates. Counts are whole numbers sent as float8, which
--   is the array that is read without a look at each element.
WITH reader AS MATERIALIZED (
    SELECT DISTINCT latest.user_id
    FROM (
        SELECT i.user_id
        FROM interaction AS i
        WHERE
            i.media_id = :media_id::text::uuid
            AND i.type IN ('LIKE', 'WATCH')
            AND i.timestamp >= :window_start::timestamp
        ORDER BY i.timestamp DESC, i.user_id ASC
        LIMIT :users_per_item
    ) AS latest
),

shared AS (
    SELECT
        per_user.media_id,
        count(*) AS user_count
    FROM reader AS r
    CROSS JOIN
        LATERAL (
            SELECT DISTINCT latest.media_id
            FROM (
                SELECT
                    i.media_id,
                    i.type
                FROM interaction AS i
                WHERE
                    i.user_id = r.user_id
                    AND i.timestamp >= :window_start::timestamp
                ORDER BY i.timestamp DESC, i.media_id ASC, i.type ASC
                LIMIT :items_per_user
            ) AS latest
            WHERE latest.type IN ('LIKE', 'WATCH')
        ) AS per_user
    GROUP BY per_user.media_id
)

SELECT
    string_agg(uuid_send(s.media_id), ''::bytea) AS media_keys,
    array_agg(s.user_count::float8) AS user_counts,
    (SELECT count(*) FROM reader) AS read_users
FROM shared AS s;
