-- name: truncate_tables()!
-- Remove all rows before another data set is loaded.
TRUNCATE interaction;
