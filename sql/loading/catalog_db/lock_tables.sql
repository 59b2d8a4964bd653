-- name: lock_tables()!
-- Nobody else writes between the look at what is there and its removal.
LOCK TABLE medias, tb_media_genre IN ACCESS EXCLUSIVE MODE;
