-- name: fetch_server()
-- The server, this session's roles, and the limits of their connections.
--
-- Parameters: none
-- Returns: one row
--   version text               without a distribution's suffix
--   role_name text             the role of this session, after SET ROLE
--   started_at text            the same for databases of one server
--   max_connections int
--   reserved_connections int   of those, for superusers and for pg_use_reserved_connections
--   database_name text
--   login_name text            the role that connected
--   role_limit int             CONNECTION LIMIT of that role, -1 for none and for superusers
--   database_limit int         the same of the database
--   role_sql text, login_sql text, database_sql text
--                              the three names as SQL writes them, quoted where that is necessary
-- Index: pg_roles, pg_database: a row of each
-- Why: the time of its start identifies a server, whatever its address. It is a number, because the text of a
--   time depends on DateStyle, which databases may set. The setting reserved_connections exists in PostgreSQL 16
--   and later. Neither limit applies to superusers. Only the server knows its reserved words, which must be quoted.
SELECT
    split_part(current_setting('server_version'), ' ', 1) AS version,
    current_user::text AS role_name,
    extract(EPOCH FROM pg_postmaster_start_time())::text AS started_at,
    current_setting('max_connections')::int AS max_connections,
    current_setting('superuser_reserved_connections')::int
    + coalesce(current_setting('reserved_connections', TRUE)::int, 0) AS reserved_connections,
    current_database()::text AS database_name,
    session_user::text AS login_name,
    CASE WHEN r.rolsuper THEN -1 ELSE r.rolconnlimit END AS role_limit,
    CASE WHEN r.rolsuper THEN -1 ELSE d.datconnlimit END AS database_limit,
    quote_ident(current_user)::text AS role_sql,
    quote_ident(session_user)::text AS login_sql,
    quote_ident(current_database())::text AS database_sql
FROM pg_roles AS r
CROSS JOIN pg_database AS d
WHERE r.rolname = session_user AND d.datname = current_database();
