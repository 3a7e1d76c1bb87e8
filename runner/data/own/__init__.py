"""Data of the user's own, without code: a table of text, arrays of NumPy, a folder of images."""
