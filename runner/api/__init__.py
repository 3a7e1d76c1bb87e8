"""Training from Python: `runner.train` and `runner.sweep`."""
