"""Data sources: arrays out, nothing else. One module a family."""

from runner.data.digits import Digits
from runner.data.mnist import MNIST, FashionMNIST
from runner.data.source import Dataset, Sizes, Source, Split

__all__ = ["MNIST", "Dataset", "Digits", "FashionMNIST", "Sizes", "Source", "Split"]
