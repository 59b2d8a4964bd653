-- name: stream_users()
-- All users that user_db knows.
--
-- Parameters: none
-- Returns: a row for each user, in the order of the bytes of their ids
--   user_id text
-- Index: user_preferences_user_id_key, where that is smaller to read than the table
-- Why: run at `batch --all-users`, through a cursor, beside its namesake of engagement_db. Two streams in
--   one order are merged without holding either. The order is that of the text, whatever the type of the
--   keys: integers, or text under a collation, would have another.
SELECT up.user_id::text AS user_id
FROM user_preferences AS up
WHERE up.user_id IS NOT NULL
GROUP BY up.user_id
ORDER BY convert_to(up.user_id::text, 'UTF8') ASC;
