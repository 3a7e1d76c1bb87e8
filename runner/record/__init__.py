"""The record of a run: curves, event files and a summary. No other package writes them."""
