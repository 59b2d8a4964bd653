"""All that speaks to PostgreSQL: pools, query files, and one class a database."""
