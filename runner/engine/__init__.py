"""The compiled program and the host loop that drives it: arrays in, measurements out."""
