"""The trainer: when a training is due, what suits the data, and whether it is better than what is there."""
