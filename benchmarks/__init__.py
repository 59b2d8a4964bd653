"""Benchmarks, separate from the tests: ratios within one run, no absolute times."""
