-- name: fetch_leaves(table_names)
-- The partitions that hold the rows of partitioned tables.
--
-- Parameters:
--   table_names text[]    which tables; none is returned for a table without partitions
-- Returns: a row for each partition that is not partitioned itself
--   table_name text
--   leaf_name text        as a statement of this role may write it
-- Index: pg_inherits_parent_index
-- Why: an index may be on each partition and not on their parent, for example after partitions were attached
--   by hand.
SELECT
    named.table_name,
    leaf.relid::regclass::text AS leaf_name
FROM unnest(:table_names::text[]) AS named (table_name)
CROSS JOIN LATERAL pg_partition_tree(to_regclass(named.table_name)) AS leaf
INNER JOIN pg_class AS c ON leaf.relid = c.oid
WHERE leaf.isleaf AND c.relkind <> 'p' AND leaf.relid <> to_regclass(named.table_name)
ORDER BY named.table_name ASC, leaf_name ASC;
