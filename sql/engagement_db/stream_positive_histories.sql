-- name: stream_positive_histories(window_start)
-- Everything the neighbours model is made of: what each user liked or watched, and what it amounts to.
--
-- Parameters:
--   window_start text  a timestamp, or '-infinity'; what is older, or has no timestamp, does not count
-- Returns: a row for each user who liked or watched anything, in no order that matters
--   user_id text
--   media_ids text[], total_values float8[]
--                      two arrays in step: each medium once, and the sum of the user's values for it
-- Index: interaction_user_recent_idx
-- Why: run when a model is trained, through a cursor. The index delivers the rows user by user, so that
--   nothing larger than one history is ever sorted, and the first rows come at once. Values are in steps
--   of 2^-30, as in fetch_candidates.
SELECT
    h.user_id::text AS user_id,
    array_agg(h.media_id::text) AS media_ids,
    array_agg(h.total_value) AS total_values
FROM (
    SELECT
        i.user_id,
        i.media_id,
        sum(i.interaction_value) AS total_value
    FROM (
        SELECT
            user_id,
            media_id,
            type,
            timestamp,
            CASE
                WHEN interaction_value BETWEEN -1e100 AND 1e100
                    THEN round(interaction_value * 1073741824) / 1073741824
                ELSE 0
            END AS interaction_value
        FROM interaction
    ) AS i
    WHERE
        i.type IN ('LIKE', 'WATCH')
        AND i.timestamp >= :window_start::timestamp
    GROUP BY i.user_id, i.media_id
) AS h
GROUP BY h.user_id;
