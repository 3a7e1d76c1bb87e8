"""Regularizations: what is added in training, and nearly always only there, to generalize better.

Any number of them can be chosen, as in `regularization=[dropout,l2]`. A regularization may put
layers on the inputs and after the activation of every hidden layer, replace the kernels of hidden
layers, add a term to the loss that is minimized, and project the parameters after each update.
Terms add up; all else follows in the order of the list below. The gradient, its norm, line searches
and Hessians include the terms; the recorded losses do not, so that curves of different strengths
can be compared. Validation and test are not affected, unless `evaluation_samples` asks for random
masks there, too.

Kernels are the matrices of dense and the tensors of convolutional layers, those of the logits
included.
"""
