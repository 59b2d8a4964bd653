-- name: count_entries_read()
-- Count the index entries that all scans of this database have returned so far.
SELECT sum(s.idx_tup_read)::bigint AS entries
FROM pg_stat_user_indexes AS s;
