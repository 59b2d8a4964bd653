"""Store trained models on disk: write whole versions, check every byte, and swap them in."""
