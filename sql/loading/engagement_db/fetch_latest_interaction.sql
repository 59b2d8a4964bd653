-- name: fetch_latest_interaction()
-- When the newest interaction took place.
--
-- Returns: one row
--   latest_at timestamp  NULL without interactions
SELECT max(i.timestamp)::timestamp AS latest_at
FROM interaction AS i;
