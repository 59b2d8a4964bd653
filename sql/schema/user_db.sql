-- user_db as the service expects to find it; used by the demo and the tests only.
CREATE TABLE IF NOT EXISTS user_preferences (
    id uuid PRIMARY KEY,
    user_id uuid UNIQUE NOT NULL
);

CREATE TABLE IF NOT EXISTS tb_user_genre (
    user_id uuid,
    genre_name varchar(50)
);
