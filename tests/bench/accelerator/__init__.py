"""`make bench-accelerator`: training on a GPU or TPU beside other ways to do the same work.

It needs an interpreter with JAX and NumPy, and nothing of Hydra or TensorBoard.
"""
