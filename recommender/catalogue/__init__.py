"""What is kept of the catalogue in each process's memory."""
