"""Data sources: where the examples come from, as arrays. One module for each family."""

from runner.data.adding import Adding
from runner.data.cifar import CIFAR10
from runner.data.curve import Cliff, DoubleWell, Plateau
from runner.data.diabetes import Diabetes
from runner.data.digits import Digits
from runner.data.mnist import MNIST, FashionMNIST
from runner.data.noisy_quadratic import NoisyQuadratic
from runner.data.own.arrays import Arrays
from runner.data.own.csv import CSV
from runner.data.own.images import Images
from runner.data.own.npz import NPZ
from runner.data.quadratic import Quadratic
from runner.data.reddi import Reddi
from runner.data.source import Dataset, Sizes, Source, Split
from runner.data.sparse import SparseFeatures
from runner.data.surface import (
    Beale,
    Hill,
    Himmelblau,
    Ravine,
    Rosenbrock,
    Saddle,
    ThreeHumpCamel,
)
from runner.data.teacher import Teacher
from runner.data.text import Text

__all__ = [
    "CIFAR10",
    "CSV",
    "MNIST",
    "NPZ",
    "Adding",
    "Arrays",
    "Beale",
    "Cliff",
    "Dataset",
    "Diabetes",
    "Digits",
    "DoubleWell",
    "FashionMNIST",
    "Hill",
    "Himmelblau",
    "Images",
    "NoisyQuadratic",
    "Plateau",
    "Quadratic",
    "Ravine",
    "Reddi",
    "Rosenbrock",
    "Saddle",
    "Sizes",
    "Source",
    "SparseFeatures",
    "Split",
    "Teacher",
    "Text",
    "ThreeHumpCamel",
]
