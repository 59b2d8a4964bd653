"""Domains: each declares once what its items are called and which attributes they have."""
