"""Optimizers: from a gradient to an update of the parameters. One module for each family.

In the rules, g is the gradient of the batch's mean loss (after clipping and noise), theta the
parameters, t the number of the step from 1, and `learning_rate` the rate after the schedule, the
warm-up and the batch size have multiplied it. Products, roots and quotients are elementwise.

Where a method decays weights, it leaves biases and the gains and shifts of normalizations alone
unless `decay_all` is true. A momentum schedule can change `momentum`, or `b1` and `b2`.
`sam`, `lookahead`, `averaged`, `decoupled_decay` and `layer_rates` wrap another optimizer:
`optimizer=sam optimizer.base=adam optimizer.base.learning_rate=0.01`.
"""
