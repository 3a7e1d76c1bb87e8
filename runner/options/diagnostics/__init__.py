"""What is measured inside of a network at evaluations, beside loss and error.

Several diagnostics can be chosen. They are computed in the compiled program, on a probe batch: the
first training examples in their stored order, preprocessed, the same at every evaluation. They
look at the network that is evaluated (with an optimizer that averages, at the average), without
random masks unless evaluations draw some, and with the statistics of the probe batch itself where a
normalization is over the batch. They change nothing about the training.
"""
