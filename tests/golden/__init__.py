"""Digests of all answers, to detect any change between versions of the code."""
