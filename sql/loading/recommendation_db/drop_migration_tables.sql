-- name: drop_migration_tables()!
-- Remove the tables of the migration tool after all migrations are rolled back, unless another process has applied
-- one meanwhile: without these tables, it could neither be rolled back nor left out.
DO $$
BEGIN
    LOCK TABLE _yoyo_migration IN ACCESS EXCLUSIVE MODE;
    IF NOT EXISTS (SELECT FROM _yoyo_migration) THEN
        DROP TABLE IF EXISTS _yoyo_migration, _yoyo_log, _yoyo_version, yoyo_lock;
    END IF;
END;
$$;
