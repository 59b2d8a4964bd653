-- name: peer_vacuum_precomputed()!
-- Update the statistics for the planner, and the visibility map, as autovacuum would after the nightly job.
VACUUM (ANALYZE) precomputed;
