-- name: copy_interactions()!
-- Rows of interactions, streamed in.
COPY interaction (id, user_id, media_id, type, interaction_value, timestamp) FROM STDIN;
