"""What is kept of the catalog in each process's memory."""
