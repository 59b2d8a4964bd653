"""Texts: ids and tables of ids, names that mean the same, labels, and directions of writing."""
