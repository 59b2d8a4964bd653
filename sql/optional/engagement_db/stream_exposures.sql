-- name: stream_exposures(since)
-- Interactions with items of interleaved lists, with the tokens of these items.
--
-- An example: the service does not run this file, as the schema has no column for tokens. Let the app write the
-- token of an item into a column of the interaction,
--   ALTER TABLE interaction ADD COLUMN token text;
--   CREATE INDEX CONCURRENTLY interaction_token_idx ON interaction (timestamp) WHERE token IS NOT NULL;
-- and put a copy of this file under SQL_PATH/engagement_db/.
--
-- Parameters:
--   since text          a timestamp, or '-infinity'; what is older is not read
-- Returns: a row for each interaction with a token, in any order
--   token text          as returned with the item
--   user_id text
--   media_id text
--   type text           of the interaction; only likes and watches count
--   happened_at float8  seconds since 1970
-- Index: interaction_token_idx, of the example
-- Why: run by `experiments report`, through a cursor. User and item are those of the row, not of the token: a
--   token in another user's or item's row is not counted.
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
