-- name: peer_items()
-- All items, in the order by which lists are drawn from them.
SELECT m.id::text AS media_id
FROM medias AS m
ORDER BY m.id;
