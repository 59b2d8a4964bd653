-- name: update_current(model, version)!
-- Mark one version of a model as the current one, and the others as not.
--
-- Parameters: model, version text.
-- Index: model_artifacts_pkey.
UPDATE model_artifacts
SET is_current = (version = :version::text)
WHERE model = :model::text AND is_current <> (version = :version::text);
