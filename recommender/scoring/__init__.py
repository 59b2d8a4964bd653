"""The formulas: arrays in, arrays out, no I/O, the same answer for the same input."""
