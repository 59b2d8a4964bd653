-- Takes both tables away, with all that they hold.
DROP TABLE user_features;
DROP TABLE model_artifacts;
