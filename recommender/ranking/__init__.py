"""From scores to an order of items: arrays in, arrays out, no I/O, the same answer for the same input."""
