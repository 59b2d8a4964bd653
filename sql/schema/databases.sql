-- The three databases of the demo. A media app brings its own.
CREATE DATABASE user_db;
CREATE DATABASE catalog_db;
CREATE DATABASE engagement_db;
