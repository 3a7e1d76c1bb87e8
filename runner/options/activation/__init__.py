"""Activations: the layer after each affine map of the hidden layers, nearly always elementwise.

At a kink the gradient is that of the left side, and 0 at an upper bound, as in PyTorch. A diverged
input (NaN) stays NaN with every activation. No gradient is NaN for a finite input, however large.
"""
