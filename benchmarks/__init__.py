"""Timings, apart from the tests: ratios taken in one run, never absolute promises."""
