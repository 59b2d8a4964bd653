-- Indexes for engagement_db. On a live database add CONCURRENTLY to each.

-- fetch_histories, fetch_candidates: everything one user did, newest first, from the index alone.
CREATE INDEX IF NOT EXISTS interaction_user_recent_idx
ON interaction (user_id, timestamp DESC, media_id, type, interaction_value);

-- fetch_candidates, count_positive_users: who liked or watched one medium, newest first,
-- from the index alone.
CREATE INDEX IF NOT EXISTS interaction_media_recent_idx
ON interaction (media_id, timestamp DESC, user_id)
WHERE type IN ('LIKE', 'WATCH');
