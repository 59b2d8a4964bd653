-- name: set_settings(setting_names, setting_values, of_transaction)
-- Set what the session is to have, or only the transaction under way.
--
-- Parameters: setting_names text[], setting_values text[], of the same length; of_transaction boolean
-- Returns: one row a setting
--   setting_value text   as it is now
-- Index: none
SELECT set_config(wanted.setting_name, wanted.setting_value, :of_transaction::boolean)::text AS setting_value
FROM unnest(:setting_names::text[], :setting_values::text[]) AS wanted (setting_name, setting_value);
