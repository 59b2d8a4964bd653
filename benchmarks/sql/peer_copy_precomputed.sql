-- name: peer_copy_precomputed()!
-- Load the lists, in the text format of COPY.
COPY precomputed (user_id, rank, media_id, score) FROM STDIN;
