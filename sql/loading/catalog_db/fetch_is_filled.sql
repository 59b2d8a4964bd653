-- name: fetch_is_filled()
-- Whether there is anything that an import would overwrite.
--
-- Returns: one row
--   is_filled boolean
-- Why: EXISTS stops at the first row, however many there are.
SELECT
    EXISTS (SELECT 1 FROM medias)
    OR EXISTS (SELECT 1 FROM tb_media_genre) AS is_filled;
