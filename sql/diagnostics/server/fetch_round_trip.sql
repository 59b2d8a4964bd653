-- name: fetch_round_trip()
-- A constant, to measure the round trip to the server.
--
-- Parameters: none
-- Returns: one row
--   answer int
-- Index: none needed
-- Why: run a few times in a row, so that the fastest run excludes the time to connect.
SELECT 1 AS answer;
