-- name: fetch_applied_migrations()
-- The migrations that are applied, by the table of the migration tool.
--
-- Returns: one row
--   migration_ids text[]     in order; empty if none is applied
SELECT coalesce(array_agg(m.migration_id::text ORDER BY m.migration_id), '{}')::text[] AS migration_ids
FROM _yoyo_migration AS m;
