-- name: fetch_columns(table_names, column_names, type_names)
-- Whether columns exist, their types, and whether this role may read them.
--
-- Parameters:
--   table_names text[], column_names text[], type_names text[]
--                        three parallel arrays: the columns of sql/schema/ that statements need
-- Returns: a row for each of them
--   table_name text, column_name text
--   found_category text  as in pg_type.typcategory, NULL if there is no such column
--   wanted_type text     as PostgreSQL names it, without length
--   found_type text      of a domain, its base type, also through other domains
--   is_readable boolean
-- Index: pg_attribute_relid_attnam_index
-- Why: to_regclass finds a table as the statements would, along the search_path; rights may be granted per
--   column.
WITH RECURSIVE resolved AS (
    SELECT
        t.oid AS declared_id,
        t.oid AS type_id,
        t.typbasetype
    FROM pg_type AS t
    UNION ALL
    SELECT
        r.declared_id,
        base.oid AS type_id,
        base.typbasetype
    FROM resolved AS r
    INNER JOIN pg_type AS base ON r.typbasetype = base.oid
)

SELECT
    wanted.table_name,
    wanted.column_name,
    found.typcategory::text AS found_category,
    format_type(to_regtype(wanted.type_name), NULL) AS wanted_type,
    format_type(found.oid, NULL) AS found_type,
    coalesce(has_column_privilege(a.attrelid, a.attnum, 'SELECT'), FALSE) AS is_readable
FROM
    unnest(:table_names::text[], :column_names::text[], :type_names::text[])
        AS wanted (table_name, column_name, type_name)
LEFT JOIN pg_attribute AS a
    ON
        a.attrelid = to_regclass(wanted.table_name)
        AND wanted.column_name = a.attname
        AND a.attnum > 0
        AND NOT a.attisdropped
LEFT JOIN resolved AS r ON a.atttypid = r.declared_id AND r.typbasetype = 0
LEFT JOIN pg_type AS found ON r.type_id = found.oid;
