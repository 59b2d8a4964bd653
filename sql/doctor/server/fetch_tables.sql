-- name: fetch_tables(table_names)
-- How large tables are, and what we could do to them.
--
-- Parameters:
--   table_names text[]    as the statements write them, or with their schema
-- Returns: a row for each of them that exists
--   table_name text
--   row_estimate bigint   of the last ANALYZE; without one, by size
--   write_rights text[]   of INSERT, UPDATE, DELETE and TRUNCATE
--   is_owned boolean      ours, or we are a superuser: no REVOKE will help
-- Index: pg_class_oid_index
-- Why: counting would read the tables.
SELECT
    wanted.table_name,
    CASE
        WHEN c.reltuples < 0 THEN pg_relation_size(c.oid) / 64
        ELSE c.reltuples::bigint
    END AS row_estimate,
    array(
        SELECT possible.name
        FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS possible (name)
        WHERE has_table_privilege(c.oid, possible.name)
    ) AS write_rights,
    pg_has_role(c.relowner, 'USAGE') AS is_owned
FROM unnest(:table_names::text[]) AS wanted (table_name)
INNER JOIN pg_class AS c ON c.oid = to_regclass(wanted.table_name);
