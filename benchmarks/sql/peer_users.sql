-- name: peer_users()
-- All users, in the order in which a nightly job writes their lists.
SELECT p.user_id::text AS user_id
FROM user_preferences AS p
ORDER BY p.user_id;
