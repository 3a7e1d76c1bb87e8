"""CIFAR-10: the published archive of plain bytes, from a folder or downloaded into it.

The archive holds five files of training images and one of test images. Each is a sequence of
records of 1 + 3072 bytes: the class, then the red, the green and the blue plane of 32 x 32 pixels,
each row by row. (A. Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009; the
binary version. The Python version is a pickle, which can execute code, and is not read.)

The address, the length and the SHA-256 of the archive are those with which TensorFlow Datasets
(`url_checksums/cifar10.txt`), MLDatasets.jl (`cifar10.jl`) and torchvision-ruby (`cifar10.rb`)
download it.
"""

from __future__ import annotations

import contextlib
import functools
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from runner.data.download import fetch
from runner.data.published import PublishedImages
from runner.data.source import Split
from runner.errors import DataError
from runner.lazy import np
from runner.options.option import number, option

if TYPE_CHECKING:
    import numpy.typing as npt

ARCHIVE = "cifar-10-binary.tar.gz"
_BYTES_OF_ARCHIVE = 170_052_171
_TRAIN = tuple(f"data_batch_{part}.bin" for part in range(1, 6))
_TEST = "test_batch.bin"
_FOLDER = "cifar-10-batches-bin"
_SIDE, _CHANNELS, _CLASSES = 32, 3, 10
_RECORD = 1 + _CHANNELS * _SIDE * _SIDE
_PUBLISHED = (50_000, 10_000)
_LARGEST = 1 << 28
"""No file of the set has more bytes; a longer one is not read."""


@option
class CIFAR10(PublishedImages):
    """32x32 colour photographs, 50,000 + 10,000 images, 10 classes (Krizhevsky 2009).

    The validation split is the last `validation_examples` of the training files, the test split is
    the test file. Read from `dir`: the archive `cifar-10-binary.tar.gz`, which is downloaded there
    if absent, or the six `.bin` files in it. Pixels stay bytes on the device.
    """

    dir: str | None = None
    validation_examples: int = number(5000, minimum=0)
    train_examples: int | None = number(None, minimum=1)

    input_shape = (_SIDE, _SIDE, _CHANNELS)
    classes = _CLASSES
    folder: ClassVar[str] = "cifar10"
    url: ClassVar[str] = "https://www.cs.toronto.edu/~kriz/"
    sha256: ClassVar[str] = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"

    def held(self) -> tuple[int, int]:
        """Return the sizes by the lengths of the files, or the published ones without files."""
        if (place := self._place()) is None:
            return _PUBLISHED
        with _reading(place):
            status = place.stat()
            if status.st_size == _BYTES_OF_ARCHIVE:
                return _PUBLISHED  # to look inside takes a second
            if place.is_dir():
                lengths = {name: (place / name).stat().st_size for name in (*_TRAIN, _TEST)}
            else:
                lengths = _lengths(place, (status.st_mtime_ns, status.st_size))
        train, test = sum(lengths[name] for name in _TRAIN), lengths[_TEST]
        return train // _RECORD, test // _RECORD

    def parts(self) -> tuple[Split, Split]:
        """Read the six files.

        Raises:
            DataError: one of them is damaged, or there is no image for training.
        """
        place = self._place()
        assert place is not None
        found = {name: _images(place, name, data) for name, data in _files(place)}
        inputs, targets = zip(*(found[name] for name in _TRAIN), strict=True)
        train = Split(np.concatenate(inputs), np.concatenate(targets))
        if not len(train.targets):
            raise DataError(f"{place}: there is no image in it")
        return train, Split(*found[_TEST])

    def absent(self) -> list[str]:
        """Return the path of the archive, if neither it nor the files in it are there."""
        return [] if self._place() else [str(self.directory() / ARCHIVE)]

    def fetch_absent(self) -> None:
        """Download the archive."""
        fetch({ARCHIVE: f"sha256:{self.sha256}"}, self.url, self.directory(), "CIFAR-10")

    def _place(self) -> Path | None:
        """The archive, or the folder with the six files; None if neither is there."""
        directory = self.directory()
        try:
            for folder in (directory, directory / _FOLDER):
                if all((folder / name).is_file() for name in (*_TRAIN, _TEST)):
                    return folder
            archive = directory / ARCHIVE
            return archive if archive.is_file() else None
        except OSError as error:  # a folder that may not be entered, a name that is too long
            raise DataError(f"{directory}: cannot be read: {error.strerror}") from error


def _images(place: Path, name: str, data: bytes) -> tuple[npt.NDArray, npt.NDArray]:
    """The images `[examples, 32, 32, 3]` and the classes `[examples]` in the bytes of a file.

    Raises:
        DataError: the bytes are no whole records, or a class is not known.
    """
    if len(data) % _RECORD:
        raise DataError(
            f"{place}: {name} has {len(data):,} bytes, which are no whole records of {_RECORD:,}"
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, _RECORD)
    targets = records[:, 0].astype(np.int32)
    if len(targets) and targets.max() >= _CLASSES:
        raise DataError(f"{place}: {name} has a label of {targets.max()}, expected 0 to 9")
    planes = records[:, 1:].reshape(-1, _CHANNELS, _SIDE, _SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), targets


def _files(place: Path) -> Iterator[tuple[str, bytes]]:
    """The names and the bytes of the six files in an archive or a folder.

    Raises:
        DataError: one is missing or cannot be read.
    """
    names = {*_TRAIN, _TEST}
    with _reading(place):
        if place.is_dir():
            yield from ((name, (place / name).read_bytes()) for name in sorted(names))
            return
        with tarfile.open(place, "r:gz") as archive:
            for member in _members(archive):
                content = archive.extractfile(member)
                assert content is not None
                yield (name := Path(member.name).name), content.read()
                names.discard(name)
    if names:
        raise DataError(f"{place}: has no {', '.join(sorted(names))}; download it again")


@functools.lru_cache(maxsize=8)
def _lengths(place: Path, version: tuple[int, int]) -> dict[str, int]:
    """The lengths of the six files in an archive.

    Args:
        place: the archive.
        version: when it was changed and how long it is, so that a changed archive is read again.

    Raises:
        DataError: one is missing or cannot be read.
    """
    names = (*_TRAIN, _TEST)
    with _reading(place), tarfile.open(place, "r:gz") as archive:
        found = {Path(member.name).name: member.size for member in _members(archive)}
    if absent := [name for name in names if name not in found]:
        raise DataError(f"{place}: has no {', '.join(absent)}; download it again")
    return found


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The six files in an archive, in its order; what else is there is left out."""
    for member in archive:
        is_one = Path(member.name).name in (*_TRAIN, _TEST) and member.isfile()
        if is_one and member.size <= _LARGEST:
            yield member


@contextlib.contextmanager
def _reading(place: Path) -> Iterator[None]:
    """Turn failures to read an archive or a folder into a `DataError`."""
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise DataError(f"{place}: the archive is damaged: {error}; download it again") from error
    except OSError as error:  # gzip's own are of this kind, without a number
        raise DataError(f"{place}: cannot be read: {error.strerror or error}") from error
