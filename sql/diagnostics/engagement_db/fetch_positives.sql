-- name: fetch_positives(positive_types, window_start, window_end)
-- Whether there is any positive interaction, any in the window, and any with a usable value.
--
-- Parameters:
--   positive_types text[]    types of positive interactions
--   window_start text, window_end text
--                            timestamps; interactions outside of them are in no window
-- Returns: one row; rows without user_id or media_id do not count
--   has_positive boolean
--   has_recent boolean       in the window
--   has_worth boolean        in the window, with a value above 0 and no more than 1e100
-- Index: none needed
-- Why: run if a sample has none, which does not prove that there are none. Each EXISTS stops at the first row.
--   Values are compared without a cast, which would fail for a numeric beyond the range of float8.
SELECT
    exists(
        SELECT 1
        FROM interaction AS i
        WHERE i.type::text = any(:positive_types::text[]) AND i.user_id IS NOT NULL AND i.media_id IS NOT NULL
    ) AS has_positive,
    exists(
        SELECT 1
        FROM interaction AS i
        WHERE
            i.type::text = any(:positive_types::text[])
            AND i.user_id IS NOT NULL
            AND i.media_id IS NOT NULL
            AND i.timestamp BETWEEN :window_start::timestamp AND :window_end::timestamp
    ) AS has_recent,
    exists(
        SELECT 1
        FROM interaction AS i
        WHERE
            i.type::text = any(:positive_types::text[])
            AND i.user_id IS NOT NULL
            AND i.media_id IS NOT NULL
            AND i.timestamp BETWEEN :window_start::timestamp AND :window_end::timestamp
            AND i.interaction_value > 0
            AND i.interaction_value <= 1e100
    ) AS has_worth;
