-- name: fetch_types(window_start, window_end, known_types, sample_percent)
-- The types of interaction in a table, and the usability of their values.
--
-- Parameters:
--   window_start text, window_end text
--                              timestamps; interactions outside of them are in no window
--   known_types text[]         types that the settings name: returned before others
--   sample_percent int         of the table's pages: 100 for all rows
-- Returns: a row for each type, of at most 1000 types; rows without user_id or media_id are left out
--   type text                  NULL where there is none
--   row_count bigint
--   recent_count bigint        in the window
--   recent_null_count bigint   of those, without interaction_value
--   recent_zero_count bigint   with 0 or less
--   recent_worth_count bigint  with more than 0, and no more than 1e100
--   unusable_count bigint      of all, with a value that is NaN, infinite or beyond ±1e100
-- Index: none needed
-- Why: TABLESAMPLE SYSTEM reads the sampled pages only. The smallest sample is 1 %.
--   REPEATABLE samples the same pages each time, so that repeated runs have the same findings.
--   Values are compared without a cast, which would fail for a numeric beyond the range of float8.
SELECT
    i.type,
    count(*) AS row_count,
    count(*) FILTER (WHERE i.is_recent) AS recent_count,
    count(*) FILTER (WHERE i.is_recent AND i.value IS NULL) AS recent_null_count,
    count(*) FILTER (WHERE i.is_recent AND i.value BETWEEN -1e100 AND 0) AS recent_zero_count,
    count(*) FILTER (WHERE i.is_recent AND i.value > 0 AND i.value <= 1e100) AS recent_worth_count,
    count(*) FILTER (WHERE i.value NOT BETWEEN -1e100 AND 1e100) AS unusable_count
FROM (
    SELECT
        r.type::text AS type,
        r.interaction_value AS value,
        coalesce(r.timestamp BETWEEN :window_start::timestamp AND :window_end::timestamp, FALSE) AS is_recent
    FROM interaction AS r TABLESAMPLE SYSTEM (:sample_percent) REPEATABLE (0)
    WHERE r.user_id IS NOT NULL AND r.media_id IS NOT NULL
) AS i
GROUP BY i.type
ORDER BY coalesce(i.type = any(:known_types::text[]), FALSE) DESC, row_count DESC, i.type ASC
LIMIT 1000;
