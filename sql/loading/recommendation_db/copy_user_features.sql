-- name: copy_user_features()!
-- The users' embeddings of a version, streamed in.
COPY user_features (model, version, user_id, embedding) FROM STDIN;
