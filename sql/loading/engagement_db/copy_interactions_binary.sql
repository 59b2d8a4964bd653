-- name: copy_interactions_binary()!
-- Rows of interactions, streamed in as PostgreSQL's binary format.
COPY interaction (id, user_id, media_id, type, interaction_value, timestamp)
FROM STDIN WITH (FORMAT "binary");
