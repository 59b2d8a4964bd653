-- Drop both tables. A waiting DROP also blocks new readers, so it gives up after 10 seconds.
SET LOCAL lock_timeout = '10s';
DROP TABLE user_features;
DROP TABLE model_artifacts;
