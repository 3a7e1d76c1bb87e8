"""A command-line experiment runner for the optimization of neural networks.

Start with the README; the modules in the order in which data flow through them are `cli`,
`compose`, `config`, `experiment`, `run`, `train`, `record`. The options are in `runner.options`.
"""
