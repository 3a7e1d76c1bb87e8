"""Normalizations of the hidden layers: of what an affine map computes, or of its kernel.

The last axis of the inputs counts the units (of a dense layer) or channels (of a convolution). Each
unit or channel has a learned `gain`, which starts at 1, and most have a `shift`, which starts at 0.
Statistics are computed in the type of these two, which is float32 even where `precision=bfloat16`.
Ioffe & Szegedy 2015 normalize before the activation, and so do the others whose papers say where;
`position: after_activation` normalizes what the next layer sees. In a recurrent network the sum
(or with `after_activation` the state) is normalized at each step, with the same gain and shift.
Logits are not normalized.

What is normalized does not depend on the scale of the weights before it, as long as `epsilon` is
small beside the variance. With a hundredth of the weights of `he_normal` the usual 1e-5 is not: it
changes the loss at the start by up to 2 % (`experiment=scale_invariance`). Training depends on the
scale all the same: a step turns weights w at a rate proportional to learning_rate / ||w||^2.
"""
