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
--   star_count bigint          how many whole or half values from 0 to 10 have at least 1 % of the type's rows in
--                              the window
-- Index: interaction_pkey, where the view passes it through
-- Why: TABLESAMPLE does not work for views and foreign tables.
--   Values are compared without a cast, which would fail for a numeric beyond the range of float8.
SELECT
    i.type,
    sum(i.row_count)::bigint AS row_count,
    coalesce(sum(i.row_count) FILTER (WHERE i.is_recent), 0)::bigint AS recent_count,
    coalesce(sum(i.row_count) FILTER (WHERE i.is_recent AND i.worth = 'none'), 0)::bigint
        AS recent_null_count,
    coalesce(sum(i.row_count) FILTER (WHERE i.is_recent AND i.worth = 'zero'), 0)::bigint
        AS recent_zero_count,
    coalesce(sum(i.row_count) FILTER (WHERE i.is_recent AND i.worth = 'some'), 0)::bigint
        AS recent_worth_count,
    coalesce(sum(i.row_count) FILTER (WHERE i.worth = 'unusable'), 0)::bigint AS unusable_count,
    count(i.half_stars) FILTER (WHERE i.is_recent AND i.row_count >= 0.01 * i.type_rows) AS star_count
FROM (
    SELECT
        v.type,
        v.is_recent,
        v.worth,
        v.half_stars,
        count(*) AS row_count,
        sum(count(*)) OVER (PARTITION BY v.type, v.is_recent) AS type_rows
    FROM (
        SELECT
            r.type::text AS type,
            coalesce(r.timestamp BETWEEN :window_start::timestamp AND :window_end::timestamp, FALSE)
                AS is_recent,
            CASE
                WHEN r.interaction_value IS NULL THEN 'none'
                WHEN r.interaction_value BETWEEN -1e100 AND 0 THEN 'zero'
                WHEN r.interaction_value > 0 AND r.interaction_value <= 1e100 THEN 'some'
                ELSE 'unusable'
            END AS worth,
            CASE
                WHEN r.interaction_value NOT BETWEEN 0 AND 10 THEN NULL
                WHEN r.interaction_value * 2 = round(r.interaction_value * 2)
                    THEN (r.interaction_value * 2)::int
            END AS half_stars
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
    ) AS v
    GROUP BY v.type, v.is_recent, v.worth, v.half_stars
) AS i
GROUP BY i.type
ORDER BY coalesce(i.type = any(:known_types::text[]), FALSE) DESC, row_count DESC, i.type ASC
LIMIT 1000;
