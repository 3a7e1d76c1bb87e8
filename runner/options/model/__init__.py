"""Models: how the layers of a network are put together. One module a family."""
