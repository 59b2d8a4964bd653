-- name: fetch_settings(setting_names)
-- The values of some settings in this session.
--
-- Parameters: setting_names text[]
-- Returns: one row per setting that the server knows
--   setting_name text
--   setting_value text   without its unit, which is that of pg_settings.unit: ms for statement_timeout
-- Index: none
SELECT
    s.name::text AS setting_name,
    s.setting::text AS setting_value
FROM pg_settings AS s
WHERE s.name = any(:setting_names::text[]);
