-- name: take_training_turn()
-- Takes the turn to read all interactions for a training, where no other host has it.
--
-- Parameters: none
-- Returns: one row
--   is_taken boolean   whether this session has the turn; it has it until it ends
-- Index: none
-- Why: hosts that do not share MODEL_PATH each train for themselves. By an advisory lock of the session, one at a
--   time reads the table whole. The key is this service's own.
SELECT pg_try_advisory_lock(7107001) AS is_taken;
