"""Comparison of finished and running runs: find, group, summarize, draw, tabulate and test them."""
