"""How well models find what users go on to like: splits, metrics, intervals, search, replay, report."""
