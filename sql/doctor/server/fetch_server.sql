-- name: fetch_server()
-- Which server this is, as whom it knows us, and how many connections it has for us.
--
-- Parameters: none
-- Returns: one row
--   version text   without what a distribution adds
--   role_name text
--   started_at text            the same for databases of one server
--   max_connections int
--   reserved_connections int   of those, for superusers and for pg_use_reserved_connections
-- Index: none needed
-- Why: the time of its start tells servers apart whatever address they are reached at; reserved_connections
--   is a setting of PostgreSQL 16 and later.
SELECT
    split_part(current_setting('server_version'), ' ', 1) AS version,
    current_user::text AS role_name,
    pg_postmaster_start_time()::text AS started_at,
    current_setting('max_connections')::int AS max_connections,
    current_setting('superuser_reserved_connections')::int
    + coalesce(current_setting('reserved_connections', TRUE)::int, 0) AS reserved_connections;
