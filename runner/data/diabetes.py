"""The regression set inside the package: the progression of diabetes in 442 patients.

Ten measurements of each patient (age, sex, body mass index, blood pressure and six of the blood
serum) and, as the target, a measure of the disease one year later, from 25 to 346. It is the set of
Efron, Hastie, Johnstone & Tibshirani, Least Angle Regression, 2004, as scikit-learn distributes it
(`load_diabetes(scaled=False)`, BSD 3-clause).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from importlib import resources
from typing import TYPE_CHECKING

from runner.data.source import Dataset, Sizes, Source, Split
from runner.data.splits import Scaled, Shares, scaled, split_problems, split_rows, split_sizes
from runner.lazy import np
from runner.options.option import number, option

if TYPE_CHECKING:
    import numpy.typing as npt

EXAMPLES = 442


@option
class Diabetes(Source):
    """The progression of diabetes, a number, from 10 measurements of 442 patients; no download.

    Rows are shuffled by `split_seed` and cut in the ratio `split`. Inputs and target are
    (x - mean) / deviation with those of the training rows; the loss is that of the scaled target,
    and the error the mean absolute error in its own unit.
    """

    split: Shares = (70, 15, 15)
    split_seed: int = number(0, minimum=0)

    input_shape = (10,)
    classes = 0

    def sizes(self) -> Sizes:
        """Return the sizes of the splits."""
        return split_sizes(EXAMPLES, self.split)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse splits that are none."""
        yield from split_problems(self.split, self.split_seed)

    def load(self) -> Dataset:
        """Read the file in the package."""
        inputs, targets = self._scaled()
        rows = split_rows(EXAMPLES, self.split, self.split_seed)
        return Dataset(*(Split(inputs.values[own], targets.values[own]) for own in rows))

    def target_unit(self) -> npt.NDArray[np.float32]:
        """Return the deviation of the target."""
        return self._scaled()[1].deviation.astype(np.float32)

    def _scaled(self) -> tuple[Scaled, Scaled]:
        inputs, targets = _stored()
        train = split_rows(EXAMPLES, self.split, self.split_seed)[0]
        return scaled(inputs, train), scaled(targets[:, None], train)


@functools.cache
def _stored() -> tuple[npt.NDArray, npt.NDArray]:
    """The measurements and targets of all patients."""
    file = resources.files("runner.data") / "diabetes.npz"
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return arrays["inputs"], arrays["targets"]
