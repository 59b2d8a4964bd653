-- name: lock_tables()!
-- Nobody else writes between the look at what is there and its removal.
LOCK TABLE interaction IN ACCESS EXCLUSIVE MODE;
