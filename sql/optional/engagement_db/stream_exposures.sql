-- name: stream_exposures(since)
-- What users did with items of interleaved lists, with the tokens that came with these items.
--
-- An example, which nothing runs as long as it lies here: the schema has no place for tokens. Let the app write
-- the token of an item into a column with the interaction that follows,
--   ALTER TABLE interaction ADD COLUMN token text;
--   CREATE INDEX CONCURRENTLY interaction_token_idx ON interaction (timestamp) WHERE token IS NOT NULL;
-- and put a copy of this file under SQL_PATH/engagement_db/.
--
-- Parameters:
--   since text          a timestamp, or '-infinity'; what is older is not read
-- Returns: a row for each interaction with a token, in no order that matters
--   token text          as it came with the item
--   user_id text        who interacted
--   media_id text       with what
--   type text           of the interaction; only likes and watches count
--   happened_at float8  seconds since 1970
-- Index: interaction_token_idx, of the example
-- Why: run by `experiments report`, through a cursor. User and item are not those of the token but those of the
--   row: a token that was moved to another row counts for nothing.
SELECT
    i.token::text AS token,
    i.user_id::text AS user_id,
    i.media_id::text AS media_id,
    i.type::text AS type,
    extract(EPOCH FROM i.timestamp)::double precision AS happened_at
FROM interaction AS i
WHERE
    i.token IS NOT NULL
    AND i.user_id IS NOT NULL
    AND i.media_id IS NOT NULL
    AND i.timestamp >= :since::timestamp
    AND i.timestamp <= (now() AT TIME ZONE 'UTC') + interval '1 day';
