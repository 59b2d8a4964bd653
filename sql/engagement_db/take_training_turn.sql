-- name: take_training_turn()
-- Try to take the lock for reading all interactions for a training. It fails while another session holds it.
--
-- Parameters: none
-- Returns: one row
--   is_taken boolean   whether this session holds the lock, which lasts until the session ends
-- Index: none
-- Why: hosts that do not share MODEL_PATH train separately. With an advisory lock of the session, one at a time
--   reads the whole table. Only this service uses the key.
SELECT pg_try_advisory_lock(7107001) AS is_taken;
