"""Optimizers: from a gradient to a step. One module a family."""
