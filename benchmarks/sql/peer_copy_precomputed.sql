-- name: peer_copy_precomputed()
-- The lists, as text.
COPY precomputed (user_id, rank, media_id, score) FROM STDIN;
