"""A folder of images as data: a folder a class, with PNG and JPEG files."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from runner.data.own.file import (
    LARGEST_BYTES,
    FileVersion,
    OwnFile,
    Scanned,
    file_version,
    said,
    too_large,
)
from runner.data.splits import Shares, split_rows
from runner.errors import DataError
from runner.lazy import np
from runner.options.option import number, option

if TYPE_CHECKING:
    import numpy.typing as npt

ENDINGS = (".png", ".jpg", ".jpeg")
FORMATS = ("PNG", "JPEG")
SPLITS = (("train",), ("validation", "valid", "val"), ("test",))
"""How the folders of given splits are called."""

MOST_PIXELS = 2**26
"""How many pixels an image has at most, which bounds the memory that a small file can ask for."""


@option
class Images(OwnFile):
    """Images in a folder a class: `path/cat/1.png`; PNG and JPEG, as uint8.

    With the folders `train`, `validation` (or `val`) and `test` in `path`, and those of the classes
    in each of them, the splits are as given. `train` and `test` are then needed. All images must be
    of one size, or are scaled to `size` (height, width) by bilinear interpolation. Palettes and
    transparency become plain colours. Classes are in the order of their names.
    """

    path: str | None = None
    size: tuple[int, ...] | None = number(None, minimum=1)
    colors: Literal["auto", "grey", "rgb"] = "auto"
    split: Shares = (70, 15, 15)
    split_seed: int = number(0, minimum=0)
    sha256: str | None = None

    needs: ClassVar[str | None] = "PIL"

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse sizes that are none."""
        yield from super().problems()
        if self.size is not None and len(self.size) != 2:
            yield "size", f"{list(self.size)} must be height and width, like [32,32], or null"

    def versions(self) -> tuple[FileVersion, ...]:
        """Return all images, in the order of their names.

        Raises:
            DataError: the folder is missing or cannot be read.
        """
        root = Path(self.path or "").expanduser()
        if not root.is_dir():
            raise DataError(f"{root}: is no folder (from {Path.cwd()})")
        folders = [root, *(each for each in root.glob("*/") if each.is_dir())]
        if _given(root):
            folders += [each for each in root.glob("*/*/") if each.is_dir()]
        try:
            times = tuple((str(folder), folder.stat().st_mtime_ns) for folder in sorted(folders))
        except OSError as error:
            raise DataError(f"{root}: cannot be read: {error.strerror}") from error
        return _listed(root, times)

    def scanned(self, versions: tuple[FileVersion, ...]) -> Scanned:
        """Read the images.

        Raises:
            DataError: there are fewer than two classes, or an image cannot be read.
        """
        files = [Path(version.path) for version in versions]
        names = sorted({file.parent.name for file in files})
        if len(names) < 2:
            raise DataError(f"{self.path}: one class, {names[0]!r}; expected two folders or more")
        codes = {name: code for code, name in enumerate(names)}
        targets = np.array([codes[file.parent.name] for file in files], np.int32)
        images = self._images(files)
        rows = self._rows(files)
        shape = "x".join(map(str, images.shape[1:]))
        few = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
        summary = said(self.path, rows, f"images of {shape}", f"{len(names)} classes ({few})")
        return Scanned(images, targets, rows, len(names), None, summary)

    def _rows(self, files: list[Path]) -> tuple[npt.NDArray, ...]:
        """The rows of the splits: as the folders have them, or drawn."""
        if not _given(files[0].parents[1].parent):
            return tuple(split_rows(len(files), self.split, self.split_seed))
        folders = np.array([file.parents[1].name for file in files])
        return tuple(np.flatnonzero(np.isin(folders, names)) for names in SPLITS)

    def _images(self, files: list[Path]) -> npt.NDArray[np.uint8]:
        """All images, `[examples, height, width, channels]`."""
        first = _pixels(files[0], self.size, None if self.colors == "auto" else self.colors)
        mode = "grey" if first.shape[2] == 1 else "rgb"
        needed = len(files) * first.size
        if needed > LARGEST_BYTES:
            raise DataError(too_large(files[0].parent, needed))
        images = np.empty((len(files), *first.shape), np.uint8)
        for row, file in enumerate(files):
            image = _pixels(file, self.size, mode)
            if image.shape != first.shape:
                sizes = ["x".join(map(str, each.shape[:2])) for each in (image, first)]
                raise DataError(
                    f"{file}: {sizes[0]} pixels, expected {sizes[1]} as of {files[0].name}; scale "
                    "all with data.size=[height,width]"
                )
            images[row] = image
        return images


@functools.lru_cache(maxsize=4)
def _listed(root: Path, times: tuple[tuple[str, int], ...]) -> tuple[FileVersion, ...]:
    """The images below a folder; listed again when a folder's time says that it has changed."""
    files = root.glob("*/*/*" if _given(root) else "*/*")
    found = sorted(file for file in files if file.suffix.lower() in ENDINGS)
    if not found:
        raise DataError(f"{root}: has no images; expected a folder a class with .png or .jpg")
    return tuple(map(file_version, found))


def _given(root: Path) -> bool:
    """Whether a folder holds splits."""
    return (root / "train").is_dir() and (root / "test").is_dir()


def _pixels(file: Path, size: tuple[int, ...] | None, colors: str | None) -> npt.NDArray[np.uint8]:
    """An image, `[height, width, channels]`; its own colours if none are named."""
    from PIL import Image

    try:
        with Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise DataError(
                    f"{file}: {image.height}x{image.width} pixels, expected at most {MOST_PIXELS:,}"
                )
            colors = colors or ("grey" if image.mode in ("1", "L", "LA", "I", "I;16") else "rgb")
            if image.mode in ("I", "I;16"):
                raise DataError(f"{file}: 16 bits a pixel, expected 8")
            turned = image.convert("L" if colors == "grey" else "RGB")
            if size is not None:
                turned = turned.resize((size[1], size[0]), Image.Resampling.BILINEAR)
            pixels = np.asarray(turned, np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{file}: is no PNG or JPEG image that can be read: {error}") from error
    return pixels[..., None] if pixels.ndim == 2 else pixels
