-- name: fetch_random_user()
-- Somebody with interactions, another each time, for the explorer.
--
-- Parameters: none
-- Returns: one row
--   user_id text  NULL where there are no interactions
-- Index: interaction_user_recent_idx
-- Why: the first user from a random point on, one probe of the index, or the very first where there is
--   none after it. The point is in a subquery of its own: a volatile function is otherwise called for every
--   row, and no index helps. Not everybody is as likely; nobody needs that here.
SELECT
    coalesce(
        (
            SELECT i.user_id
            FROM interaction AS i
            WHERE i.user_id >= (SELECT gen_random_uuid())
            ORDER BY i.user_id ASC
            LIMIT 1
        ),
        (
            SELECT i.user_id
            FROM interaction AS i
            ORDER BY i.user_id ASC
            LIMIT 1
        )
    )::text AS user_id;
