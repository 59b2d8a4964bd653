-- name: truncate_tables()!
-- Make room for another data set.
TRUNCATE interaction;
