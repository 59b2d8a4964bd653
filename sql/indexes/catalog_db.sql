-- Indexes for catalog_db. On a live database add CONCURRENTLY to each.

-- fetch_media: the genres of the media on a page, from the index alone.
CREATE INDEX IF NOT EXISTS tb_media_genre_media_id_idx
ON tb_media_genre (media_id) INCLUDE (genre_name);
