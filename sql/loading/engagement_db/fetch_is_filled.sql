-- name: fetch_is_filled()
-- Whether there is anything that an import would overwrite.
SELECT (SELECT count(*) FROM interaction) > 0 AS is_filled;
