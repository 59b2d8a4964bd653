-- name: fetch_pair_values(window_start, window_end, positive_types, row_limit)
-- How unevenly the values of likes and watches are spread over pairs of a user and a medium.
--
-- Parameters:
--   window_start text, window_end text
--                          timestamps; interactions outside of them are in no window
--   positive_types text[]  types of positive interactions
--   row_limit int          how many of the latest rows are read at most
-- Returns: one row; values of 0 or less, or above 1e100, do not count
--   pair_count bigint
--   total_value float8     the sum of all values
--   top_value float8       of the 1 % of pairs with the largest sums
--   largest float8         the largest sum of a pair
--   typical float8         the median of the sums of pairs
-- Index: interaction_pkey, where a view passes it through
-- Why: the latest rows hold all repetitions of a pair in their time. A sample of pages would miss most of them.
SELECT
    count(*) AS pair_count,
    coalesce(sum(ranked.pair_value), 0) AS total_value,
    coalesce(sum(ranked.pair_value) FILTER (WHERE ranked.pair_rank <= 0.01 * ranked.pairs), 0) AS top_value,
    coalesce(max(ranked.pair_value), 0) AS largest,
    coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY ranked.pair_value), 0) AS typical
FROM (
    SELECT
        pair.pair_value,
        row_number() OVER (ORDER BY pair.pair_value DESC) AS pair_rank,
        count(*) OVER () AS pairs
    FROM (
        SELECT sum(r.interaction_value::double precision) AS pair_value
        FROM (
            SELECT
                latest.user_id,
                latest.media_id,
                latest.type,
                latest.timestamp,
                CASE WHEN latest.interaction_value <= 1e100 THEN latest.interaction_value END
                    AS interaction_value
            FROM interaction AS latest
            ORDER BY latest.id DESC
            LIMIT :row_limit
        ) AS r
        WHERE
            r.user_id IS NOT NULL
            AND r.media_id IS NOT NULL
            AND r.type::text = any(:positive_types::text[])
            AND r.timestamp BETWEEN :window_start::timestamp AND :window_end::timestamp
            AND r.interaction_value > 0
        GROUP BY r.user_id, r.media_id
    ) AS pair
) AS ranked;
