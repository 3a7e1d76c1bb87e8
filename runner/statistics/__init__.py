"""Plain functions of numbers: intervals, rank tests, the critical batch size."""
