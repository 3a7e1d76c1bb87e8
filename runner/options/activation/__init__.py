"""Activations: the layer after each affine map of the hidden layers, nearly always elementwise.

At a kink the gradient is that of the left side, as in PyTorch: 0 for `relu` at 0. A diverged input
(NaN) stays NaN with every activation. No gradient is NaN for a finite input, however large.
"""
