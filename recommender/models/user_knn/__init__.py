"""The default formula: scores from the most similar users, by live SQL or from a trained model."""
