-- name: peer_count_precomputed()
-- Count the users who have a list.
SELECT count(*) AS users
FROM precomputed AS p
WHERE p.rank = 0;
