-- name: peer_create_precomputed()!
-- Create the table that a nightly job fills: a list of items for each user.
CREATE TABLE IF NOT EXISTS precomputed (
    user_id uuid NOT NULL,
    rank int NOT NULL,
    media_id uuid NOT NULL,
    score double precision NOT NULL,
    PRIMARY KEY (user_id, rank)
);
