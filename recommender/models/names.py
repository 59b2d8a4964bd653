"""What MODEL may name besides the trainable models."""

# The model that needs no training.
LIVE = "live"
# The best trained model; until there is one, the live model.
AUTO = "auto"
