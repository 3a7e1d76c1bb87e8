"""What data in files of the user's own have in common: a path, a checksum, a split.

The files are read when the config is checked, because the shape of the inputs and the number of
classes are in them. What was read is kept in the process until a file changes.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.util
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self

from runner.data.source import Dataset, Sizes, Source, Split
from runner.data.splits import Shares, split_problems
from runner.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LARGEST_BYTES = 4 * 2**30
"""How many bytes of data are read at most. Everything is held in memory, and on the device."""


class FileVersion(NamedTuple):
    """A file at a time."""

    path: str
    modified: int  # in nanoseconds
    bytes: int


class Scanned(NamedTuple):
    """What was read, in rows.

    Attributes:
        inputs: `[examples, *features]`.
        targets: classes `[examples]`, or `[examples, steps]` where `each_step`; or numbers
            `[examples, columns]`, as a network learns them.
        rows: those of train, validation and test.
        classes: the number of classes; 0: the targets are numbers.
        target_unit: what 1 in the targets stands for, by column; None: 1.
        summary: what was found, in one line.
        symbols: how many symbols the inputs stand for; 0: they are numbers.
        each_step: whether there is a class at each step of a sequence.
    """

    inputs: npt.NDArray
    targets: npt.NDArray
    rows: tuple[npt.NDArray, ...]
    classes: int
    target_unit: npt.NDArray[np.float32] | None
    summary: str
    symbols: int = 0
    each_step: bool = False

    @property
    def columns(self) -> int:
        """How many numbers a target has."""
        return 1 if self.classes else self.targets.shape[1]


class OwnFile(Source):
    """Data that are read from a path.

    A source defines `scanned`; it may override `versions` where the path is a folder.
    """

    path: str | None
    split: Shares
    split_seed: int
    sha256: str | None

    paths = ("path",)
    needs: ClassVar[str | None] = None
    """The package that reads the file, if it is an optional one."""

    @abstractmethod
    def scanned(self, versions: tuple[FileVersion, ...]) -> Scanned:
        """Read the files.

        Args:
            versions: the files.

        Raises:
            DataError: something in them is wrong; one line with the file and the place in it.
        """

    def versions(self) -> tuple[FileVersion, ...]:
        """Return the files that are read.

        Raises:
            DataError: one is missing, cannot be read or is too large.
        """
        return (file_version(Path(self.path or "")),)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse what cannot be found, and files that are not those of the checksum."""
        name = type(self).__name__.lower()
        if not self.path:
            yield "path", f"it is {self.path!r}; say where the data are: data.path=..."
            return
        if self.needs and importlib.util.find_spec(self.needs) is None:
            yield (
                "name",
                f"{name} needs {self.needs}, which is not installed: pip install {self.needs} "
                "(it is in the extra `data`)",
            )
            return
        yield from split_problems(self.split, self.split_seed)
        if self.sha256 not in (None, self.digest()):
            yield (
                "sha256",
                f"{self.path} is not what it was: its checksum is {self.digest()}; use null to "
                "train on what it is now",
            )

    def pinned(self) -> Self:
        """Return the source with the checksum of its files."""
        return dataclasses.replace(self, **{"sha256": self.digest()})

    def digest(self) -> str:
        """Return the SHA-256 of the file; of a folder that of the lines `SHA-256 name`."""
        return _digest(self.versions(), Path(self.path or "").expanduser())

    @property
    def input_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """What the files say."""
        return tuple(self._found().inputs.shape[1:])

    @property
    def classes(self) -> int:  # type: ignore[override]
        """What the files say."""
        return self._found().classes

    @property
    def target_columns(self) -> int:  # type: ignore[override]
        """What the files say."""
        return self._found().columns

    @property
    def symbols(self) -> int:  # type: ignore[override]
        """What the files say."""
        return self._found().symbols

    @property
    def each_step(self) -> bool:  # type: ignore[override]
        """What the files say."""
        return self._found().each_step

    def sizes(self) -> Sizes:
        """Return the sizes of the splits."""
        return Sizes(*map(len, self._found().rows))

    def load(self) -> Dataset:
        """Return the splits of what was read."""
        found = self._found()
        return Dataset(*(Split(found.inputs[own], found.targets[own]) for own in found.rows))

    def target_unit(self) -> npt.NDArray[np.float32] | None:
        """Return the deviation of targets that are numbers."""
        return self._found().target_unit

    def summary(self) -> str:
        """Return what was found, in one line."""
        return self._found().summary

    def _found(self) -> Scanned:
        # Without the checksum, which changes nothing in what is read.
        return _scan(dataclasses.replace(self, **{"sha256": None}), self.versions())


@functools.lru_cache(maxsize=2)  # a run has one; a sweep may alternate between two
def _scan(source: OwnFile, versions: tuple[FileVersion, ...]) -> Scanned:
    found = source.scanned(versions)
    sizes = [len(rows) for rows in found.rows]
    if not (sizes[0] and sizes[2]):
        counts = f"{sizes[0]:,} for training and {sizes[2]:,} for testing"
        raise DataError(f"{source.path}: the split leaves {counts}; each needs one example")
    return found


@functools.lru_cache(maxsize=64)
def _digest(versions: tuple[FileVersion, ...], root: Path) -> str:
    digests = []
    for version in versions:
        try:
            with Path(version.path).open("rb") as file:
                digests.append(hashlib.file_digest(file, "sha256").hexdigest())
        except OSError as error:
            raise DataError(f"{version.path}: cannot be read: {error.strerror}") from error
    names = [str(Path(version.path).relative_to(root)) for version in versions]
    if names == ["."]:
        return digests[0]
    lines = (f"{digest} {name}\n" for digest, name in zip(digests, names, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def file_version(path: Path) -> FileVersion:
    """Return a file as it is now.

    Raises:
        DataError: it is missing, no file, cannot be read or is too large.
    """
    try:
        path = path.expanduser()
        found = path.stat()
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read: {reason} (from {Path.cwd()})") from error
    if not path.is_file():
        raise DataError(f"{path}: is a folder, expected a file")
    if found.st_size > LARGEST_BYTES:
        raise DataError(too_large(path, found.st_size))
    return FileVersion(str(path), found.st_mtime_ns, found.st_size)


def too_large(path: Path | str, size: int) -> str:
    """Return the error of data that do not fit."""
    return f"{path}: {size / 2**30:.1f} GiB of data, expected at most {LARGEST_BYTES / 2**30:g} GiB"


def said(path: str | None, rows: tuple[npt.NDArray, ...], what: str, targets: str) -> str:
    """Return what was found in one line.

    Args:
        path: where.
        rows: of the splits.
        what: what an example is.
        targets: what the targets are.
    """
    train, validation, test = map(len, rows)
    return (
        f"{path}: {what}; target: {targets}; {train:,} examples for training, {validation:,} for "
        f"validation, {test:,} for testing"
    )
