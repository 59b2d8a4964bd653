-- engagement_db as the service expects to find it; used by the demo and the tests only.
CREATE TABLE IF NOT EXISTS interaction (
    id bigint PRIMARY KEY,
    user_id uuid NOT NULL,
    media_id uuid NOT NULL,
    type varchar(50),
    interaction_value double precision,
    timestamp timestamp
);
