"""Hydra's multirun as a population: composed at once, checked, trained side by side."""
