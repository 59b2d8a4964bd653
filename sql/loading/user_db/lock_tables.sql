-- name: lock_tables()!
-- Lock out other writers between the check for existing rows and their removal.
LOCK TABLE user_preferences, tb_user_genre IN ACCESS EXCLUSIVE MODE;
