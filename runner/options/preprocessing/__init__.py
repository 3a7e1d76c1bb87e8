"""Preprocessing: from the stored numbers (pixels as uint8) to the inputs of the network.

The statistics are computed once, from the training split alone, by NumPy in float64 on the host.
They are applied inside the compiled step, batch by batch, so that the data stay on the device in
the compact form in which they were stored. `runner-compare FOLDER --figure images` shows examples
before and after it.
"""
