"""Jobs that write recommendations for many users to a file and can be resumed."""
