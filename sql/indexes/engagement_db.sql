-- Indexes for engagement_db. On a live database add CONCURRENTLY to each.

-- fetch_histories, fetch_media_of_users, fetch_shared_users and others: all interactions of a user, newest first.
CREATE INDEX IF NOT EXISTS interaction_user_recent_idx
ON interaction (user_id, timestamp DESC, media_id, type, interaction_value);

-- fetch_users_of_media and its _repeated form, fetch_shared_users, count_positive_users: by medium, newest first,
-- from the index alone. It replaces interaction_media_recent_idx of earlier versions, which may be dropped.
CREATE INDEX IF NOT EXISTS interaction_media_latest_idx
ON interaction (media_id, timestamp DESC, user_id, type);
