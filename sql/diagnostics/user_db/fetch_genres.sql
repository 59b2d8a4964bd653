-- name: fetch_genres()
-- The genres that users state, as written.
--
-- Parameters: none
-- Returns: a row for each, of at most 10,000
--   genre_name text
--   row_count bigint   how many rows state it
-- Index: none needed
-- Why: read whole, once per `check`; of names in free text, the rarest are left out.
SELECT
    ug.genre_name::text AS genre_name,
    count(*) AS row_count
FROM tb_user_genre AS ug
WHERE ug.user_id IS NOT NULL AND ug.genre_name IS NOT NULL
GROUP BY ug.genre_name
ORDER BY row_count DESC, ug.genre_name ASC
LIMIT 10000;
