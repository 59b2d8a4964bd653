-- name: fetch_latest_types(window_start, window_end, known_types, row_limit)
-- The types of interaction in the latest rows of a view, and the usability of their values.
--
-- Parameters:
--   window_start text, window_end text
--                              timestamps; interactions outside of them are in no window
--   known_types text[]         types that the settings name: returned before others
--   row_limit int              how many rows are read at most
-- Returns: a row for each type, of at most 1000 types; rows without user_id or media_id are left out
--   type text                  NULL where there is none
--   row_count bigint
--   recent_count bigint        in the window
--   recent_null_count bigint   of those, without interaction_value
--   recent_zero_count bigint   with 0 or less
--   recent_worth_count bigint  with more than 0, and no more than 1e100
--   unusable_count bigint      of all, with a value that is NaN, infinite or beyond ±1e100
-- Index: interaction_pkey, where the view passes it through
-- Why: TABLESAMPLE does not work for views and foreign tables.
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
    FROM (
        SELECT
            latest.type,
            latest.interaction_value,
            latest.timestamp,
            latest.user_id,
            latest.media_id
        FROM interaction AS latest
        ORDER BY latest.id DESC
        LIMIT :row_limit
    ) AS r
    WHERE r.user_id IS NOT NULL AND r.media_id IS NOT NULL
) AS i
GROUP BY i.type
ORDER BY coalesce(i.type = any(:known_types::text[]), FALSE) DESC, row_count DESC, i.type ASC
LIMIT 1000;
