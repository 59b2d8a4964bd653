"""Trained models on disk: versions are written whole, checked byte by byte, and swapped in."""
