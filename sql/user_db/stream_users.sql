-- name: stream_users()
-- All users of user_db.
--
-- Parameters: none
-- Returns: a row for each user, in the order of the bytes of their ids
--   user_id text
-- Index: user_preferences_user_id_key, where that is smaller to read than the table
-- Why: run by `batch --all-users`, through a cursor, together with stream_users of engagement_db. Two streams in
--   the same order are merged without storing either. The order is that of the text: integers, or text with a
--   collation, would have another.
SELECT up.user_id::text AS user_id
FROM user_preferences AS up
WHERE up.user_id IS NOT NULL
GROUP BY up.user_id
ORDER BY convert_to(up.user_id::text, 'UTF8') ASC;
