-- name: stream_users()
-- All users with interactions.
--
-- Parameters: none
-- Returns: a row for each user, in the order of the bytes of their ids
--   user_id text
-- Index: interaction_user_recent_idx, where that is smaller to read than the table
-- Why: run by `batch --all-users`, through a cursor, together with stream_users of user_db. Users are grouped
--   first, so that only ids are sorted and not interactions. A loose index scan would read less, but without
--   the index the whole table for each user.
SELECT u.user_id::text AS user_id
FROM (
    SELECT i.user_id
    FROM interaction AS i
    WHERE i.user_id IS NOT NULL
    GROUP BY i.user_id
) AS u
ORDER BY convert_to(u.user_id::text, 'UTF8') ASC;
