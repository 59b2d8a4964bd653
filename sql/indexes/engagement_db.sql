-- Indexes for engagement_db. On a live database add CONCURRENTLY to each.

-- fetch_histories, fetch_media_of_users: all interactions of a user, newest first, from the index alone.
CREATE INDEX IF NOT EXISTS interaction_user_recent_idx
ON interaction (user_id, timestamp DESC, media_id, type, interaction_value);

-- fetch_users_of_media, fetch_shared_users, count_positive_users: all interactions with a medium, newest first,
-- from the index alone. It replaces interaction_media_recent_idx of earlier versions, which may be dropped.
CREATE INDEX IF NOT EXISTS interaction_media_latest_idx
ON interaction (media_id, timestamp DESC, user_id, type);
