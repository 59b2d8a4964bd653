-- name: peer_count_precomputed()
-- How many users have a list.
SELECT count(*) AS users
FROM precomputed AS p
WHERE p.rank = 0;
