-- name: peer_truncate_precomputed()!
-- Remove the lists of an earlier run.
TRUNCATE precomputed;
