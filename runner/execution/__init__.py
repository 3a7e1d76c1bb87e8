"""Trains experiments and records them: one run, or the cohorts of a sweep and their results."""
