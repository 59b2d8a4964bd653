"""How well models find what users went on to like: splits, metrics, intervals, search and report."""
