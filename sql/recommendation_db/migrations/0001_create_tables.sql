-- Published models by version, and the users' embeddings of models that have them.
CREATE TABLE model_artifacts (
    model text NOT NULL,
    version text NOT NULL,
    hyperparameters jsonb NOT NULL,
    metrics jsonb NOT NULL,
    fingerprint jsonb NOT NULL,
    blend jsonb,
    counts jsonb NOT NULL,
    code_version text NOT NULL,
    made_by text NOT NULL,
    training_run integer,
    built_at timestamptz NOT NULL,
    is_current boolean NOT NULL,
    PRIMARY KEY (model, version)
);

CREATE TABLE user_features (
    model text NOT NULL,
    version text NOT NULL,
    user_id text NOT NULL,
    embedding real[] NOT NULL,
    PRIMARY KEY (model, version, user_id),
    FOREIGN KEY (model, version) REFERENCES model_artifacts (model, version) ON DELETE CASCADE
);

CREATE INDEX idx_user_features_user ON user_features (user_id);
