-- name: delete_versions(model, kept_versions)!
-- Remove the versions of a model that are no longer kept; their users' embeddings go with them.
--
-- Parameters: model text; kept_versions text[].
-- Index: model_artifacts_pkey.
DELETE FROM model_artifacts
WHERE model = :model::text AND NOT version = any(:kept_versions::text[]);
