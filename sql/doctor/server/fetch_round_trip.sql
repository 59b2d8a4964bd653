-- name: fetch_round_trip()
-- Nothing much: how long it takes to get there and back.
--
-- Parameters: none
-- Returns: one row
--   answer int
-- Index: none needed
-- Why: asked a few times in a row, so that the quickest shows the network and not the first connection.
SELECT 1 AS answer;
