-- name: lock_tables()!
-- Lock out other writers between the check for existing rows and their removal.
LOCK TABLE medias, tb_media_genre IN ACCESS EXCLUSIVE MODE;
