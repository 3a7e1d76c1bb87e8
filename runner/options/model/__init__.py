"""Models: the architectures of networks. One module for each family."""
