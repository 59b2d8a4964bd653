-- name: vacuum_tables()!
-- Update the statistics for the planner, and the visibility map for index-only scans.
VACUUM (ANALYZE) user_preferences, tb_user_genre;
