"""Schedules: the factor by which the learning rate is multiplied at each step.

A schedule returns a multiplier m(t), and the learning rate of step t is `optimizer.learning_rate *
m(t)`, so a schedule does not depend on the optimizer. Time is counted in epochs (the default, with
fractions) or in steps, as `unit` says, and starts at 0: the first step uses m(0). A `length` of
null is the whole run. With a warm-up, time starts after it and the run is shorter by it.
`docs/schedules.png` shows all schedules.

These are plain formulas rather than optax's schedules, which branch on their arguments in Python;
traced floats do not allow that.
"""
