-- name: lock_tables()!
-- Nobody else writes between the look at what is there and its removal.
LOCK TABLE user_preferences, tb_user_genre IN ACCESS EXCLUSIVE MODE;
