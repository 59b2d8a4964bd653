-- name: update_current(model, version)!
-- Say which version of a model is the current one, and that the others are not.
--
-- Parameters: model, version text.
-- Index: model_artifacts_pkey.
UPDATE model_artifacts
SET is_current = (version = :version::text)
WHERE model = :model::text AND is_current <> (version = :version::text);
