"""The data set inside the package: handwritten digits of 8 by 8 pixels.

1,797 images of digits by 13 people, each pixel the count from 0 to 16 of dark cells in a block of
4 by 4. It is the test part of Optical Recognition of Handwritten Digits (E. Alpaydin & C. Kaynak,
UCI Machine Learning Repository, 1998, CC BY 4.0), which scikit-learn's `load_digits` returns too.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

from runner.data.source import Dataset, Sizes, Source, Split
from runner.data.splits import seed_problems
from runner.lazy import np
from runner.options.option import number, option

EXAMPLES = 1797
"""The largest seed of NumPy's RandomState."""


@option
class Digits(Source):
    """8x8 handwritten digits, 1,797 images, 10 classes; nothing to download.

    The images are shuffled by `split_seed` and cut into train, validation and test. The run's seed
    has no effect on this, so that runs are compared on the same split.
    """

    validation_examples: int = number(180, minimum=0)
    test_examples: int = number(180, minimum=1)
    split_seed: int = number(0, minimum=0)

    input_shape = (8, 8, 1)
    classes = 10

    def sizes(self) -> Sizes:
        """Return what validation and test leave for training, and their sizes."""
        held_out = self.validation_examples + self.test_examples
        return Sizes(EXAMPLES - held_out, self.validation_examples, self.test_examples)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse splits that leave nothing to train on, and seeds that NumPy does not accept."""
        yield from seed_problems("split_seed", self.split_seed)
        if self.sizes().train < 1:
            yield (
                "validation_examples",
                f"{self.validation_examples} and test_examples {self.test_examples} leave "
                f"nothing of {EXAMPLES:,} examples to train on",
            )

    def load(self) -> Dataset:
        """Read the file in the package."""
        file = resources.files("runner.data") / "digits.npz"
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            images, labels = arrays["images"], arrays["labels"]
        order = np.random.RandomState(self.split_seed).permutation(len(images))
        sizes = self.sizes()
        cuts = [sizes.train, sizes.train + sizes.validation]
        splits = (
            Split(images[rows][..., None], labels[rows].astype(np.int32))
            for rows in np.split(order, cuts)
        )
        return Dataset(*splits)
