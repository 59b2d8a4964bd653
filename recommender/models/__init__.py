"""Ways to find what similar users liked; one interface, the service does not know which is used."""
