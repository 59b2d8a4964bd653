"""Talk to PostgreSQL: pools, query files, and one class per database."""
