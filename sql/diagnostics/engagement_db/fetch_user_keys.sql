-- name: fetch_user_keys()
-- All users with interactions.
--
-- Parameters: none
-- Returns: one row
--   user_keys bytea  8 bytes a user, equal for equal ids in every database; NULL without rows
-- Index: interaction_user_recent_idx, where that is smaller to read than the table
-- Why: fetch_facts groups by medium and cannot return users as well.
SELECT string_agg(substring(sha256(convert_to(u.user_id, 'UTF8')) FROM 1 FOR 8), ''::bytea) AS user_keys
FROM (
    SELECT i.user_id::text AS user_id
    FROM interaction AS i
    GROUP BY i.user_id
) AS u;
