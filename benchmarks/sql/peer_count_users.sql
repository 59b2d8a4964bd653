-- name: peer_count_users()
-- Count all users.
SELECT count(*) AS users
FROM user_preferences;
