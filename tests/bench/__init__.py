"""Benchmarks: the speed of training and of starting, beside other tools doing the same work."""
