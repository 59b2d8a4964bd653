"""What is recommended: a domain declares once what its items are called and which attributes they have."""
