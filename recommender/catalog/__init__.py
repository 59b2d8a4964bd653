"""Keep the catalog index in the memory of each process."""
