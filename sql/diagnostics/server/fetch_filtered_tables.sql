-- name: fetch_filtered_tables(table_names)
-- Tables of which row level security may hide rows from this role.
--
-- Parameters:
--   table_names text[]      as the statements write them, or with their schema
-- Returns: a row for each such table
--   table_name text
-- Index: pg_class_oid_index, pg_policy_polrelid_polname_index
-- Why: row_security_active knows superusers, BYPASSRLS and owners. A table whose policies let this role read all rows
--   is left out: it has a permissive policy with the condition `true`, and no restrictive one with another. Views
--   normally read with the rights of their owner, to whom policies do not apply: tables behind views are not checked.
SELECT wanted.table_name
FROM unnest(:table_names::text[]) AS wanted (table_name)
WHERE
    row_security_active(to_regclass(wanted.table_name)::oid)
    AND NOT coalesce((
        SELECT
            bool_and(p.polpermissive OR pg_get_expr(p.polqual, p.polrelid) = 'true')
            AND bool_or(p.polpermissive AND pg_get_expr(p.polqual, p.polrelid) = 'true')
        FROM pg_policy AS p
        WHERE
            p.polrelid = to_regclass(wanted.table_name)
            AND p.polcmd IN ('r', '*')
            AND EXISTS (
                SELECT 1
                FROM unnest(p.polroles) AS granted (role_id)
                WHERE granted.role_id = 0 OR pg_has_role(granted.role_id, 'USAGE')
            )
    ), FALSE);
