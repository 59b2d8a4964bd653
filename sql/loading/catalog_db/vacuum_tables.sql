-- name: vacuum_tables()!
-- Statistics for the planner, and the visibility map without which no scan is index-only.
VACUUM (ANALYZE) medias, tb_media_genre;
