"""Initializers: the distribution of the weights before the first step.

The last axis of a kernel counts the outputs, the other axes count the inputs of one output. So a
dense kernel `(inputs, outputs)` has fan-in `inputs` and fan-out `outputs`, and a convolution
kernel `(height, width, in, out)` has fan-in `height * width * in` and fan-out
`height * width * out`: the receptive field counts in both.

Rules that derive the spread from the shape have a factor `scale`: 1 is the paper's rule. It may
differ by layer: `initializer.scale=[1,2,0.5]` has a number for each layer in the order in which
data pass through them, the last for the logits. Biases are set by `bias_initializer`, the recurrent
matrix of `model=rnn` by `model.recurrent_initializer`.
"""
