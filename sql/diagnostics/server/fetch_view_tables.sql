-- name: fetch_view_tables(table_names)
-- The tables that views read.
--
-- Parameters:
--   table_names text[]     which views; none is returned for other tables
-- Returns: a row for each view and table that it reads, through other views too
--   table_name text        the view
--   base_name text         the table, as a statement of this role may write it
--   kind text              as in pg_class.relkind: r, p, m or f
--   column_names text[]    of the table
-- Index: pg_rewrite_rel_rulename_index, pg_depend_depender_index
-- Why: an index cannot be on a view, only on the tables it reads, which are the dependencies of the view's rule.
WITH RECURSIVE part AS (
    SELECT
        c.oid AS view_id,
        c.oid AS part_id,
        c.relkind AS kind
    FROM unnest(:table_names::text[]) AS named (table_name)
    INNER JOIN pg_class AS c ON c.oid = to_regclass(named.table_name)
    WHERE c.relkind = 'v'
    UNION
    SELECT
        p.view_id,
        base.oid AS part_id,
        base.relkind AS kind
    FROM part AS p
    INNER JOIN pg_rewrite AS rule ON p.part_id = rule.ev_class
    INNER JOIN pg_depend AS d
        ON rule.oid = d.objid AND d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
    INNER JOIN pg_class AS base ON d.refobjid = base.oid AND p.part_id <> base.oid
    WHERE p.kind = 'v' AND base.relkind IN ('r', 'p', 'v', 'm', 'f')
)

SELECT
    named.table_name,
    p.part_id::regclass::text AS base_name,
    p.kind::text AS kind,
    array(
        SELECT a.attname::text
        FROM pg_attribute AS a
        WHERE a.attrelid = p.part_id AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
    ) AS column_names
FROM unnest(:table_names::text[]) AS named (table_name)
INNER JOIN part AS p ON p.view_id = to_regclass(named.table_name)
WHERE p.kind <> 'v'
ORDER BY named.table_name ASC, base_name ASC;
