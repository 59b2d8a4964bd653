"""Digests of all answers, which detect any change between versions of the code."""
