-- name: vacuum_tables()!
-- Statistics for the planner, and the visibility map without which no scan is index-only.
VACUUM (ANALYZE) user_preferences, tb_user_genre;
