-- name: copy_user_preferences()!
-- Rows of users, streamed in.
COPY user_preferences (id, user_id) FROM STDIN;
