"""What is known of trained models: their versions, which one serves, and how training went."""
