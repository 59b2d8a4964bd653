-- name: lock_tables()!
-- Lock out other writers between the check for existing rows and their removal.
LOCK TABLE interaction IN ACCESS EXCLUSIVE MODE;
