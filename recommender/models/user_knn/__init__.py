"""The default formula: what the most similar users made of an item, by live SQL and from a trained model."""
