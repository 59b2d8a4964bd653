"""The explorer: server-rendered pages that show recommendations to engineers and product owners."""
