-- name: fetch_latest_interaction()
-- When the newest interaction took place.
SELECT max(i.timestamp) AS latest_at
FROM interaction AS i;
