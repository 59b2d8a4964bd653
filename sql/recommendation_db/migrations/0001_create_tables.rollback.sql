-- Takes both tables away, with all that they hold. While it waits for those who read them, new readers wait, too.
SET LOCAL lock_timeout = '10s';
DROP TABLE user_features;
DROP TABLE model_artifacts;
