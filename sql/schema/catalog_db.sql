-- catalog_db as the service expects to find it; used by the demo and the tests only.
CREATE TABLE IF NOT EXISTS medias (
    id uuid PRIMARY KEY,
    title varchar(255),
    description text,
    release_year int,
    media_type varchar(50),
    cover_url varchar(500),
    create_at timestamp,
    deleted_at timestamp NULL
);

CREATE TABLE IF NOT EXISTS tb_media_genre (
    media_id uuid,
    genre_name varchar(50)
);
