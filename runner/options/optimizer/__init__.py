"""Optimizers: from a gradient to a step. One module a family.

In the rules g is the gradient of the batch's mean loss (after clipping and noise), theta the
parameters, t the number of the step from 1, and `learning_rate` what the schedule makes of it at
that step. Products, roots and quotients of vectors are taken number by number.

Where a method decays weights, biases and the gains and shifts of normalizations are left alone
unless `decay_all`. Numbers that a momentum schedule may change are `momentum` or `b1` and `b2`.
`sam` and `lookahead` are put around another one: `optimizer=sam optimizer.base=adam
optimizer.base.learning_rate=0.01`.
"""
