-- name: estimate_interactions()
-- Roughly how many interactions there are, by the server's statistics.
--
-- Parameters: none
-- Returns: one row
--   row_count bigint   rows of the table, its partitions and children; NULL for a view or a foreign table
-- Index: pg_class_oid_index, pg_inherits_parent_index
-- Why: run every few minutes, to see whether many interactions were added since the last training. Counting
--   would read the table. reltuples is as of the last VACUUM or ANALYZE. n_live_tup follows every transaction,
--   but is 0 on a standby and after a crash.
WITH RECURSIVE part AS (
    SELECT to_regclass('interaction')::oid AS part_id
    UNION
    SELECT child.inhrelid AS part_id
    FROM part AS p
    INNER JOIN pg_inherits AS child ON p.part_id = child.inhparent
)

SELECT
    sum(
        CASE
            WHEN c.relkind IN ('r', 'm') THEN greatest(c.reltuples::bigint, pg_stat_get_live_tuples(c.oid), 0)
            WHEN c.relkind = 'p' THEN 0
        END
    )::bigint AS row_count
FROM part AS p
INNER JOIN pg_class AS c ON p.part_id = c.oid;
