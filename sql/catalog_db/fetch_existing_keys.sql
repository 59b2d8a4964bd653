-- name: fetch_existing_keys()
-- Which media there are right now, for a page whose media turn out to be deleted one and all.
--
-- Parameters: none
-- Returns: one row
--   media_keys bytea  the ids of all media that are not deleted, in binary, one after the other in no order; of
--                     one width, as in fetch_catalogue; NULL without media
-- Index: none needed; reads medias whole
-- Why: after a mass deletion, the media left may stand anywhere in a ranking. In binary 300,000 of them are 5 MB;
--   the ids of the index as a parameter would be three times that.
SELECT string_agg(uuid_send(m.id), ''::bytea) AS media_keys
FROM medias AS m
WHERE m.deleted_at IS NULL;
