-- name: peer_count_users()
-- How many users there are.
SELECT count(*) AS users
FROM user_preferences;
