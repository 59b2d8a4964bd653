-- name: drop_migration_tables()!
-- Remove the tables of the migration tool after all migrations are rolled back.
DROP TABLE IF EXISTS _yoyo_migration, _yoyo_log, _yoyo_version, yoyo_lock;
