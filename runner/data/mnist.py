"""MNIST and Fashion-MNIST: four IDX files each, from a folder or downloaded into it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from runner.data import idx
from runner.data.download import fetch
from runner.data.published import PublishedImages
from runner.data.source import Split
from runner.errors import DataError
from runner.lazy import np
from runner.options.option import number, option

if TYPE_CHECKING:
    import numpy.typing as npt

_TRAIN_IMAGES, _TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
_TEST_IMAGES, _TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
_PUBLISHED_TRAIN, _PUBLISHED_TEST = 60_000, 10_000
_SIDE, _CLASSES = 28, 10


class _IdxImages(PublishedImages):
    """28x28 grey images in the file format of MNIST."""

    input_shape = (_SIDE, _SIDE, 1)
    classes = _CLASSES
    title: ClassVar[str]
    url: ClassVar[str]
    md5: ClassVar[dict[str, str]]

    def held(self) -> tuple[int, int]:
        """Return the sizes in the headers of the files, or the published ones without files."""
        train = self._count(_TRAIN_IMAGES, _PUBLISHED_TRAIN)
        return train, self._count(_TEST_IMAGES, _PUBLISHED_TEST)

    def parts(self) -> tuple[Split, Split]:
        """Read the four files."""
        train = self._read(_TRAIN_IMAGES, _TRAIN_LABELS)
        return Split(*train), Split(*self._read(_TEST_IMAGES, _TEST_LABELS))

    def fetch_absent(self) -> None:
        """Download those of the four files that are absent."""
        sums = {f"{name}.gz": f"md5:{self.md5[name]}" for name in self._absent()}
        fetch(sums, self.url, self.directory(), self.title)

    def absent(self) -> list[str]:
        """Return the paths of the four files that are absent, in the spelling of a download."""
        return [str(self.directory() / f"{name}.gz") for name in self._absent()]

    def _absent(self) -> list[str]:
        return [name for name in self.md5 if self._find(name) is None]

    def _find(self, name: str) -> Path | None:
        """The path of a file under one of its usual spellings, compressed or not."""
        dotted = name.replace("-idx", ".idx")
        for spelling in (name, f"{name}.gz", dotted, f"{dotted}.gz"):
            path = self.directory() / spelling
            try:
                if path.is_file():
                    return path
            except OSError as error:  # a folder that may not be entered, a name that is too long
                raise DataError(f"{path}: cannot be read: {error.strerror}") from error
        return None

    def _count(self, name: str, published: int) -> int:
        path = self._find(name)
        return published if path is None else idx.read_shape(path, 3)[0]

    def _read(self, images: str, labels: str) -> tuple[npt.NDArray, npt.NDArray]:
        """Matching images `[examples, 28, 28, 1]` and labels `[examples]`."""
        images_path, labels_path = self._find(images), self._find(labels)
        assert images_path is not None
        assert labels_path is not None
        inputs, targets = idx.read(images_path, 3), idx.read(labels_path, 1)
        if inputs.shape[1:] != (_SIDE, _SIDE):
            height, width = inputs.shape[1:]
            raise DataError(f"{images_path}: images of {height}x{width}, expected {_SIDE}x{_SIDE}")
        if len(inputs) != len(targets):
            raise DataError(
                f"{labels_path}: {len(targets):,} labels for the {len(inputs):,} images of "
                f"{images_path.name}"
            )
        if not len(inputs):
            raise DataError(f"{images_path}: there is no image in it")
        if targets.max() >= _CLASSES:
            raise DataError(f"{labels_path}: a label of {targets.max()}, expected 0 to 9")
        return inputs[..., None], targets.astype(np.int32)


@option
class MNIST(_IdxImages):
    """28x28 handwritten digits, 60,000 + 10,000 images, 10 classes (LeCun et al. 1998).

    The validation split is the last `validation_examples` of the training file, the test split is
    the test file. Files are read from `dir`, gzip or raw, and downloaded there if absent.
    """

    dir: str | None = None
    validation_examples: int = number(5000, minimum=0)
    train_examples: int | None = number(None, minimum=1)

    folder: ClassVar[str] = "mnist"
    title: ClassVar[str] = "MNIST"
    url: ClassVar[str] = "https://ossci-datasets.s3.amazonaws.com/mnist/"
    md5: ClassVar[dict[str, str]] = {
        _TRAIN_IMAGES: "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        _TRAIN_LABELS: "d53e105ee54ea40749a09fcbcd1e9432",
        _TEST_IMAGES: "9fb629c4189551a2d022fa330f9573f3",
        _TEST_LABELS: "ec29112dd5afa0611ce80d1b7f02629c",
    }


@option
class FashionMNIST(_IdxImages):
    """28x28 pictures of clothes, 60,000 + 10,000 images, 10 classes (Xiao et al. 2017).

    The format and the splits are those of MNIST; it is harder to learn.
    """

    dir: str | None = None
    validation_examples: int = number(5000, minimum=0)
    train_examples: int | None = number(None, minimum=1)

    folder: ClassVar[str] = "fashion_mnist"
    title: ClassVar[str] = "Fashion-MNIST"
    url: ClassVar[str] = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
    md5: ClassVar[dict[str, str]] = {
        _TRAIN_IMAGES: "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        _TRAIN_LABELS: "25c81989df183df01b3e8a0aad5dffbe",
        _TEST_IMAGES: "bef4ecab320f06d8554ea6380940ec79",
        _TEST_LABELS: "bb300cfdad3c16e7a12a480ee83cd310",
    }
