-- name: fetch_indexes(table_names)
-- The B-tree indexes of tables by columns, for comparisons independent of their names.
--
-- Parameters:
--   table_names text[]       which tables
-- Returns: a row for each index of them and of their partitions
--   table_name text
--   holder_name text         the indexed table or partition, as a statement may write it
--   is_whole boolean         on the table itself, and therefore on all its partitions
--   index_name text
--   key_columns text[]       in order, with DESC and NULLS where that is not the default
--   included_columns text[]
--   is_partial boolean       it has a predicate
--   is_valid boolean         false during CREATE INDEX CONCURRENTLY and after its failure; of a partitioned
--                            table also until each partition has its part of the index
-- Index: pg_index_indrelid_index, pg_inherits_parent_index
-- Why: a whole definition from pg_get_indexdef would have to be parsed. In indoption, 1 is for DESC and 2 for NULLS
--   FIRST, the default of DESC.
WITH RECURSIVE part AS (
    SELECT
        named.table_name,
        to_regclass(named.table_name)::oid AS part_id,
        TRUE AS is_whole
    FROM unnest(:table_names::text[]) AS named (table_name)
    UNION
    SELECT
        p.table_name,
        child.inhrelid AS part_id,
        FALSE AS is_whole
    FROM part AS p
    INNER JOIN pg_inherits AS child ON p.part_id = child.inhparent
)

SELECT
    p.table_name,
    i.indrelid::regclass::text AS holder_name,
    p.is_whole,
    c.relname::text AS index_name,
    array(
        SELECT
            coalesce(a.attname::text, pg_get_indexdef(i.indexrelid, place.number, FALSE))
            || CASE i.indoption[place.number - 1] & 3
                WHEN 1 THEN ' DESC NULLS LAST'
                WHEN 2 THEN ' NULLS FIRST'
                WHEN 3 THEN ' DESC'
                ELSE ''
            END
        FROM generate_series(1, i.indnkeyatts::int) AS place (number)
        LEFT JOIN pg_attribute AS a ON i.indrelid = a.attrelid AND i.indkey[place.number - 1] = a.attnum
        ORDER BY place.number
    ) AS key_columns,
    array(
        SELECT a.attname::text
        FROM generate_series(i.indnkeyatts + 1, i.indnatts::int) AS place (number)
        INNER JOIN pg_attribute AS a ON i.indrelid = a.attrelid AND i.indkey[place.number - 1] = a.attnum
        ORDER BY place.number
    ) AS included_columns,
    i.indpred IS NOT NULL AS is_partial,
    i.indisvalid AND i.indisready AS is_valid
FROM part AS p
INNER JOIN pg_index AS i ON p.part_id = i.indrelid
INNER JOIN pg_class AS c ON i.indexrelid = c.oid
INNER JOIN pg_am AS am ON c.relam = am.oid
WHERE am.amname = 'btree';
