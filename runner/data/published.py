"""Published sets of images: a training and a test part, in a folder or downloaded into it."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from runner.data.source import Dataset, Sizes, Source, Split
from runner.errors import DataError


class PublishedImages(Source):
    """Images in files; the validation split is the end of the training part.

    A set defines `folder`, `held`, `parts` and `fetch_absent`, and `absent` of `Source`.
    """

    dir: str | None
    validation_examples: int
    train_examples: int | None

    paths = ("dir",)
    folder: ClassVar[str]
    """The name of its folder, below that of all data."""

    @abstractmethod
    def held(self) -> tuple[int, int]:
        """Return how many images the parts have: as the files say, or as published without files.

        Raises:
            DataError: a file cannot be read.
        """

    @abstractmethod
    def parts(self) -> tuple[Split, Split]:
        """Read the training part and the test part.

        Raises:
            DataError: a file is damaged or does not have the expected format.
        """

    @abstractmethod
    def fetch_absent(self) -> None:
        """Download the files that are absent.

        Raises:
            DataError: one cannot be downloaded.
        """

    def directory(self) -> Path:
        """Return `dir` if given, else `$RUNNER_DATA_DIR/<name>`, else the user's cache directory.

        Raises:
            DataError: the path begins with `~` and the name of a user who does not exist.
        """
        if self.dir is not None:
            return _expanded(self.dir)
        root = os.environ.get("RUNNER_DATA_DIR")
        if root:
            return _expanded(root) / self.folder
        import platformdirs

        return Path(platformdirs.user_cache_dir("runner")) / "data" / self.folder

    def sizes(self) -> Sizes:
        """Return the sizes in the headers of the files, or the published ones without files."""
        held, test = self.held()
        available = held - self.validation_examples
        train = available if self.train_examples is None else self.train_examples
        return Sizes(min(train, available), self.validation_examples, test)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse an empty folder name, and sizes that exceed the training part."""
        if self.dir == "":
            yield "dir", "it is empty; name a folder, or use null for the default one"
        held, _ = self.held()
        left = held - self.validation_examples
        if left < 1:
            yield (
                "validation_examples",
                f"{self.validation_examples} leaves nothing of {held:,} examples to train on",
            )
        elif self.train_examples is not None and self.train_examples > left:
            yield (
                "train_examples",
                f"{self.train_examples} is more than the {left:,} that validation leaves",
            )

    def load(self) -> Dataset:
        """Read the files, after downloading those that are absent."""
        if self.absent():
            self.fetch_absent()
        whole, test = self.parts()
        cut = len(whole.targets) - self.validation_examples
        # As in `sizes`: held-out examples are never used for training.
        train = slice(cut if self.train_examples is None else min(self.train_examples, cut))
        return Dataset(
            train=Split(whole.inputs[train], whole.targets[train]),
            validation=Split(whole.inputs[cut:], whole.targets[cut:]),
            test=test,
        )


def _expanded(folder: str) -> Path:
    try:
        return Path(folder).expanduser()
    except RuntimeError as error:
        raise DataError(f"{folder}: there is no such home directory; write the path out") from error
