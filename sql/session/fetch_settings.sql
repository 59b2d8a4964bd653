-- name: fetch_settings(setting_names)
-- What the session has of some settings.
--
-- Parameters: setting_names text[]
-- Returns: one row a setting that the server knows
--   setting_name text
--   setting_value text   without a unit: milliseconds of times, kilobytes of memory
-- Index: none
SELECT
    s.name::text AS setting_name,
    s.setting::text AS setting_value
FROM pg_settings AS s
WHERE s.name = any(:setting_names::text[]);
