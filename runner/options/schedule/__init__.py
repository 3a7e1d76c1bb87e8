"""Schedules: the factor by which the learning rate is multiplied at each step.

A schedule returns a unit multiplier m(t), and the learning rate of step t is
`optimizer.learning_rate * m(t)`; so a schedule never needs to know the optimizer. Time is counted
in epochs (the default; fractions of an epoch count) or in steps, as `unit` says, and starts at 0:
the first step sees m(0). Where a `length` is null it is the whole run; with a warm-up, time starts
after it and the run is that much shorter. `docs/schedules.png` shows them all.

These are plain formulas and not optax's schedules because those test their arguments in Python,
which a traced float does not allow.
"""
