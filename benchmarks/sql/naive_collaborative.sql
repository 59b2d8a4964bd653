-- name: naive_collaborative(user_id, window_days)
-- What fifty of the users who share an item liked or watched. The fifty are not the most similar: their LIMIT
-- has no order, which is the naive part, and the linter must accept it. MATERIALIZED, so that all users who
-- share an item are read; docs/explanation/performance.md says what PostgreSQL does without it.
WITH own AS (
    SELECT DISTINCT i.media_id
    FROM interaction AS i
    WHERE
        i.user_id = :user_id::uuid
        AND i.type IN ('LIKE', 'WATCH')
        AND i.timestamp >= now() - make_interval(days => :window_days)
),

overlapping AS MATERIALIZED (
    SELECT
        i.user_id,
        count(*) AS overlap
    FROM interaction AS i
    INNER JOIN own AS o ON i.media_id = o.media_id
    WHERE
        i.user_id <> :user_id::uuid
        AND i.type IN ('LIKE', 'WATCH')
        AND i.timestamp >= now() - make_interval(days => :window_days)
    GROUP BY i.user_id
),

similar_users AS (
    SELECT o.user_id
    FROM overlapping AS o
    LIMIT 50 -- noqa: AM09
)

SELECT
    i.media_id::text AS media_id,
    count(DISTINCT i.user_id) * sum(i.interaction_value) AS score
FROM interaction AS i
INNER JOIN similar_users AS s ON i.user_id = s.user_id
WHERE
    i.type IN ('LIKE', 'WATCH')
    AND i.timestamp >= now() - make_interval(days => :window_days)
    AND i.media_id NOT IN (
        SELECT seen.media_id FROM interaction AS seen
        WHERE seen.user_id = :user_id::uuid
    )
GROUP BY i.media_id
ORDER BY score DESC
LIMIT 100;
