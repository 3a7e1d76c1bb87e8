"""The record of a run: event files, curves and a summary. Nothing else writes them."""
