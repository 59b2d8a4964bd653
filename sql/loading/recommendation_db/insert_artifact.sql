-- name: insert_artifact(model, version, hyperparameters, metrics, fingerprint, blend, counts, code_version, made_by, training_run, built_at)!
-- Insert a version that is not the current one of its model, unless it exists.
--
-- Parameters: model, version, code_version, made_by text; hyperparameters, metrics, fingerprint, blend, counts
-- text (JSON); training_run int; built_at text (ISO 8601).
-- Index: model_artifacts_pkey.
INSERT INTO model_artifacts (
    model, version, hyperparameters, metrics, fingerprint, blend, counts, code_version, made_by,
    training_run, built_at, is_current
)
VALUES (
    :model::text,
    :version::text,
    :hyperparameters::jsonb,
    :metrics::jsonb,
    :fingerprint::jsonb,
    :blend::jsonb,
    :counts::jsonb,
    :code_version::text,
    :made_by::text,
    :training_run::int,
    :built_at::timestamptz,
    FALSE
)
ON CONFLICT (model, version) DO NOTHING;
