-- name: set_settings(setting_names, setting_values, of_transaction)
-- Set settings for the session, or only for the current transaction.
--
-- Parameters: setting_names text[], setting_values text[], of the same length; of_transaction boolean
-- Returns: one row per setting
--   setting_value text   the new value
-- Index: none
SELECT set_config(wanted.setting_name, wanted.setting_value, :of_transaction::boolean)::text AS setting_value
FROM unnest(:setting_names::text[], :setting_values::text[]) AS wanted (setting_name, setting_value);
