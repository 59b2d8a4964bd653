-- name: fetch_migration_rights()
-- Whether this session may create tables in the schema of the migrations.
--
-- Returns: one row
--   schema_name text         NULL if no schema of the search path exists
--   may_create boolean       NULL without a schema
--   is_read_only boolean     the session, or the server, only reads
SELECT
    current_schema()::text AS schema_name,
    has_schema_privilege(current_schema(), 'CREATE') AS may_create,
    current_setting('transaction_read_only')::boolean AS is_read_only;
