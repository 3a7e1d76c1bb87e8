"""Data sources: where the examples come from, as arrays. One module for each family."""

from runner.data.diabetes import Diabetes
from runner.data.digits import Digits
from runner.data.mnist import MNIST, FashionMNIST
from runner.data.own.csv import CSV
from runner.data.own.images import Images
from runner.data.own.npz import NPZ
from runner.data.quadratic import Quadratic
from runner.data.source import Dataset, Sizes, Source, Split
from runner.data.surface import Beale, Himmelblau, Ravine, Rosenbrock, Saddle
from runner.data.teacher import Teacher

__all__ = [
    "CSV",
    "MNIST",
    "NPZ",
    "Beale",
    "Dataset",
    "Diabetes",
    "Digits",
    "FashionMNIST",
    "Himmelblau",
    "Images",
    "Quadratic",
    "Ravine",
    "Rosenbrock",
    "Saddle",
    "Sizes",
    "Source",
    "Split",
    "Teacher",
]
