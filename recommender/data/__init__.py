"""Datasets for training and evaluation, and their sources."""
