"""Running experiments to their record: one run, or the cohorts of a sweep, and their results."""
