"""Offline evaluation of models: splits, metrics, intervals, tuning, replay and report."""
