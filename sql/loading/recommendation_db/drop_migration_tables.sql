-- name: drop_migration_tables()!
-- Remove what the tool that migrates has kept for itself, once nothing is migrated any more.
DROP TABLE IF EXISTS _yoyo_migration, _yoyo_log, _yoyo_version, yoyo_lock;
