-- name: fetch_tables(table_names)
-- The sizes and kinds of tables, and this role's rights to write them.
--
-- Parameters:
--   table_names text[]      as the statements write them, or with their schema
-- Returns: a row for each of them that exists
--   table_name text
--   row_estimate bigint     of the last ANALYZE, with the rows of all partitions; without ANALYZE, by size; NULL
--                           for a view, and for a foreign table without ANALYZE
--   is_sampleable boolean   TABLESAMPLE works for it
--   kind text               as in pg_class.relkind: r, p, v, m or f
--   write_rights text[]     of INSERT, UPDATE, DELETE and TRUNCATE
--   is_owned boolean        this role has the rights of the owner, as owner, member or superuser: REVOKE has no effect
--   sql_name text           quoted, with its schema
--   root_name text          the same for the topmost table it is a partition of; else its own
-- Index: pg_class_oid_index, pg_inherits_parent_index, pg_inherits_relid_seqno_index
-- Why: counting would read the tables. The reltuples of a partitioned table is -1 until its own ANALYZE,
--   which autovacuum never does, so that the estimates of its partitions are summed. Children by inheritance are
--   included. Before version 14, a table without ANALYZE has reltuples = 0 and relpages = 0, as an empty one has.
WITH RECURSIVE wanted AS (
    SELECT
        named.table_name,
        to_regclass(named.table_name)::oid AS table_id
    FROM unnest(:table_names::text[]) AS named (table_name)
    WHERE to_regclass(named.table_name) IS NOT NULL
),

part AS (
    SELECT
        w.table_id,
        w.table_id AS part_id
    FROM wanted AS w
    UNION
    SELECT
        p.table_id,
        child.inhrelid AS part_id
    FROM part AS p
    INNER JOIN pg_inherits AS child ON p.part_id = child.inhparent
),

ancestor AS (
    SELECT
        w.table_id,
        w.table_id AS ancestor_id,
        0 AS depth
    FROM wanted AS w
    UNION
    SELECT
        a.table_id,
        parent.inhparent AS ancestor_id,
        a.depth + 1 AS depth
    FROM ancestor AS a
    INNER JOIN pg_inherits AS parent ON a.ancestor_id = parent.inhrelid
),

size AS (
    SELECT
        p.table_id,
        bool_and(c.relkind IN ('r', 'p', 'm')) AS is_sampleable,
        sum(
            CASE
                WHEN c.relkind = 'p' THEN 0
                WHEN c.relkind = 'v' THEN NULL
                WHEN c.reltuples > 0 OR (c.reltuples = 0 AND c.relpages > 0) THEN c.reltuples::bigint
                WHEN c.relkind = 'f' THEN NULL
                ELSE pg_relation_size(c.oid) / 64
            END
        )::bigint AS row_estimate
    FROM part AS p
    INNER JOIN pg_class AS c ON p.part_id = c.oid
    GROUP BY p.table_id
),

root AS (
    SELECT DISTINCT ON (a.table_id)
        a.table_id,
        a.ancestor_id
    FROM ancestor AS a
    ORDER BY a.table_id ASC, a.depth DESC, a.ancestor_id ASC
)

SELECT
    w.table_name,
    s.row_estimate,
    s.is_sampleable,
    c.relkind::text AS kind,
    array(
        SELECT possible.name
        FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS possible (name)
        WHERE has_table_privilege(c.oid, possible.name)
    ) AS write_rights,
    pg_has_role(c.relowner, 'USAGE') AS is_owned,
    format('%I.%I', n.nspname, c.relname) AS sql_name,
    format('%I.%I', root_n.nspname, root_c.relname) AS root_name
FROM wanted AS w
INNER JOIN pg_class AS c ON w.table_id = c.oid
INNER JOIN size AS s ON w.table_id = s.table_id
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
INNER JOIN root AS r ON w.table_id = r.table_id
INNER JOIN pg_class AS root_c ON r.ancestor_id = root_c.oid
INNER JOIN pg_namespace AS root_n ON root_c.relnamespace = root_n.oid;
