-- Indexes for user_db. On a live database add CONCURRENTLY to each.

-- fetch_genre_preferences: a user's genres, from the index alone.
CREATE INDEX IF NOT EXISTS tb_user_genre_user_id_idx
ON tb_user_genre (user_id) INCLUDE (genre_name);
