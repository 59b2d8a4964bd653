-- name: stream_users()
-- All users who ever interacted with anything.
--
-- Parameters: none
-- Returns: a row for each user, in the order of the bytes of their ids
--   user_id text
-- Index: interaction_user_recent_idx, where that is smaller to read than the table
-- Why: run at `batch --all-users`, through a cursor, beside its namesake of user_db. Users are grouped
--   first and sorted then, so that only they are sorted and not what they did. Going from user to user
--   through the index reads less, but without the index the whole table for each user.
SELECT u.user_id::text AS user_id
FROM (
    SELECT i.user_id
    FROM interaction AS i
    WHERE i.user_id IS NOT NULL
    GROUP BY i.user_id
) AS u
ORDER BY convert_to(u.user_id::text, 'UTF8') ASC;
