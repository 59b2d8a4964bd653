-- name: fetch_existing_keys()
-- The media that exist now, for a page of which too many media turn out to be deleted.
--
-- Parameters: none
-- Returns: one row
--   media_keys bytea  the binary ids of all media that are not deleted, concatenated in no order, of equal width
--                     as in fetch_catalogue; NULL without media
-- Index: none needed; reads medias whole
-- Why: after a mass deletion, the remaining media may have any rank. 300,000 binary ids are 5 MB; the ids of the
--   index as a parameter would be more than twice that.
SELECT string_agg(uuid_send(m.id), ''::bytea) AS media_keys
FROM medias AS m
WHERE m.deleted_at IS NULL;
