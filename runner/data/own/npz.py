"""Arrays of NumPy as data: a file `.npz` with inputs and targets, of one set or of given splits."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING

from runner.data.own.file import (
    LARGEST_BYTES,
    FileVersion,
    OwnFile,
    Scanned,
    said,
    too_large,
)
from runner.data.splits import Shares, scaled, split_rows
from runner.errors import DataError
from runner.lazy import np
from runner.options.option import number, option

if TYPE_CHECKING:
    import numpy.typing as npt

PAIRS = (("inputs", "targets"), ("x", "y"), ("X", "y"), ("images", "labels"), ("data", "target"))
"""How inputs and targets are called."""

SPLITS = (("train",), ("validation", "valid", "val"), ("test",))
"""How splits are called, in `x_train` or `train_x`."""

MOST_SYMBOLS = 1 << 16
"""The network gets each symbol as a vector with one number for every symbol."""


@option
class NPZ(OwnFile):
    """Arrays in a file `.npz`, as `numpy.savez` writes it: inputs and targets, example by example.

    They are called `inputs` and `targets` (also `x` and `y`, `images` and `labels`, `data` and
    `target`). With a split in the name (`x_train`, `train_images`) the splits are as given; those
    without validation or test give a part of their training examples, in the ratio of `split`.
    Targets are classes if they are integers, from 0, and otherwise numbers, which are learnt as
    (t - mean) / deviation. Inputs of uint8 stay uint8, with a channel added to images
    `[examples, height, width]`; all others become float32. Nothing in the file is executed.

    Recurrent networks and transformers read inputs `[examples, steps, features]` as sequences.
    Integers `[examples, steps]` as targets are a class at each step of them. Inputs that are
    integers `[examples, steps]` as well are symbols, counted from 0, as in `text`.
    """

    path: str | None = None
    split: Shares = (70, 15, 15)
    split_seed: int = number(0, minimum=0)
    sha256: str | None = None

    def scanned(self, versions: tuple[FileVersion, ...]) -> Scanned:
        """Read the arrays."""
        return scan_arrays(versions[0].path, _read(versions[0]), self.split, self.split_seed)


def scan_arrays(
    place: str, arrays: Mapping[str, npt.NDArray], split: Shares, split_seed: int
) -> Scanned:
    """Find inputs, targets and splits in named arrays.

    Args:
        place: where the arrays are, for messages.
        arrays: the arrays, called as `NPZ` says.
        split: the shares of train, validation and test, where the names do not give them.
        split_seed: the seed of the shuffle before the split.

    Raises:
        DataError: a name, a shape or a type is wrong; one line with the array.
    """
    parts, sizes = _parts(place, arrays)
    rows = rows_of(sizes, split, split_seed)
    targets = _joined(place, [(arrays[y], y) for _, y in parts])
    if len({arrays[y].dtype.kind == "f" for _, y in parts}) > 1:
        types = ", ".join(f"{y} is {arrays[y].dtype}" for _, y in parts)
        raise DataError(f"{place}: {types}; classes are integers, and numbers are floats")
    if targets.dtype.kind in "iub" and targets.size > len(targets):
        return _sequences(place, parts, targets, rows)
    inputs = _stored(_joined(place, [x for x, _ in parts]))
    shape = "x".join(map(str, inputs.shape[1:]))
    what = f"inputs of {shape}, {inputs.dtype}"
    if targets.dtype.kind in "iub":
        classes = _classes(place, parts[0][1], targets)
        known = len(np.unique(targets))
        unused = f", {known} of which occur" if known < classes else ""
        summary = said(place, rows, what, f"{classes} classes{unused}")
        return Scanned(inputs, targets.astype(np.int32).ravel(), rows, classes, None, summary)
    values = scaled(targets.reshape(len(targets), -1), rows[0])
    summary = said(place, rows, what, f"numbers, {values.values.shape[1]} an example")
    unit = values.deviation.astype(np.float32)
    return Scanned(inputs, values.values, rows, 0, unit, summary)


def _parts(
    place: str, arrays: Mapping[str, npt.NDArray]
) -> tuple[list[tuple[tuple[npt.NDArray, str], str]], dict[str, int]]:
    """The inputs and the name of the targets of each part, and the sizes of the parts by name."""
    pairs = _pairs(arrays)
    if "train" not in pairs and "all" not in pairs:
        raise DataError(
            f"{place}: has the arrays {', '.join(sorted(arrays))}; expected inputs and targets, "
            "or x_train and y_train"
        )
    _check_partners(place, arrays)
    parts = [((arrays[x], x), y) for x, y in pairs.values()]
    for (inputs, x), y in parts:
        _check_pair(place, (x, inputs), (y, arrays[y]))
    return parts, sizes_of(arrays)


def sizes_of(arrays: Mapping[str, npt.NDArray]) -> dict[str, int]:
    """How many examples there are of `all`, or of `train` and of other splits that are given."""
    return {name: len(arrays[x]) for name, (x, _) in _pairs(arrays).items()}


def rows_of(
    sizes: Mapping[str, int], split: Shares, split_seed: int
) -> tuple[npt.NDArray, npt.NDArray, npt.NDArray]:
    """The rows of train, validation and test among parts that follow each other.

    Args:
        sizes: how many rows each part has: `all`, or `train` and those of the others that are
            given. A split that is not given is a share of the training examples.
        split: the shares.
        split_seed: the seed of the shuffle before the split.
    """
    if "all" in sizes:
        train, validation, test = split_rows(sizes["all"], split, split_seed)
        return train, validation, test
    starts = dict(zip(sizes, np.cumsum([0, *sizes.values()]), strict=False))
    given = {name: starts[name] + np.arange(size) for name, size in sizes.items()}
    shares = (
        split[0],
        0 if "validation" in given else split[1],
        0 if "test" in given else split[2],
    )
    own = split_rows(sizes["train"], shares, split_seed)
    if not sum(shares[1:]):
        own[0] = given["train"]
    return own[0], given.get("validation", own[1]), given.get("test", own[2])


def _read(version: FileVersion) -> dict[str, npt.NDArray]:
    """All arrays of a file."""
    path = version.path
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > LARGEST_BYTES:
            raise DataError(too_large(path, size))
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except zipfile.BadZipFile:
        raise DataError(f"{path}: is no .npz file; write one with numpy.savez") from None
    except (ValueError, OSError, EOFError, MemoryError, NotImplementedError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read: {reason}") from error


def _pairs(arrays: Mapping[str, npt.NDArray]) -> dict[str, tuple[str, str]]:
    """The names of inputs and targets, by split, or of `all`."""
    found: dict[str, tuple[str, str]] = {}
    for split, *others in SPLITS:
        for word in (split, *others):
            for x, y in PAIRS:
                for names in ((f"{x}_{word}", f"{y}_{word}"), (f"{word}_{x}", f"{word}_{y}")):
                    if set(names) <= set(arrays):
                        found.setdefault(split, names)
    if not found:
        whole = [names for names in PAIRS if set(names) <= set(arrays)]
        return {"all": whole[0]} if whole else {}
    return found


def _check_pair(
    path: str, inputs: tuple[str, npt.NDArray], targets: tuple[str, npt.NDArray]
) -> None:
    """Check that there are numbers, of examples in equal number, and finite."""
    for name, array in (inputs, targets):
        if array.dtype.kind not in "biuf":
            raise DataError(f"{path}, {name}: has the type {array.dtype}, expected numbers")
        if not array.ndim:
            raise DataError(f"{path}, {name}: is a single number, expected one row an example")
        if not array.size:
            raise DataError(f"{path}, {name}: is empty; its shape is {list(array.shape)}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array))[0][0])
            raise DataError(f"{path}, {name}[{row}]: a number that is not finite")
    (x, rows), (y, others) = inputs, targets
    if len(rows) != len(others):
        raise DataError(f"{path}: {len(rows):,} rows in {x}, but {len(others):,} in {y}")


def _check_partners(path: str, arrays: Mapping[str, npt.NDArray]) -> None:
    """Check that splits have inputs and targets; a part of the training examples is no stand-in."""
    for word in (word for words in SPLITS for word in words):
        names = [(f"{x}_{word}", f"{y}_{word}") for x, y in PAIRS]
        names += [(f"{word}_{x}", f"{word}_{y}") for x, y in PAIRS]
        there = [pair for pair in names if set(pair) & set(arrays)]
        if there and not any(set(pair) <= set(arrays) for pair in there):
            ((one, other),) = there[:1]
            has, lacks = (one, other) if one in arrays else (other, one)
            raise DataError(f"{path}: has {has}, but no {lacks}")


def _joined(path: str, parts: list[tuple[npt.NDArray, str]]) -> npt.NDArray:
    """The inputs or the targets of all parts."""
    first, of = parts[0]
    for other, name in parts:
        if other.shape[1:] != first.shape[1:]:
            shapes = f"{list(other.shape[1:])}, expected {list(first.shape[1:])} as in {of}"
            raise DataError(f"{path}, {name}: an example has the shape {shapes}")
    return np.concatenate([array for array, _ in parts])


def _stored(inputs: npt.NDArray) -> npt.NDArray:
    """Inputs in the type in which they are stored on the device."""
    if inputs.ndim == 1:
        inputs = inputs[:, None]
    if inputs.dtype != np.uint8:
        return inputs.astype(np.float32)
    return inputs[..., None] if inputs.ndim == 3 else inputs


def _classes(path: str, name: str, targets: npt.NDArray) -> int:
    """The number of classes."""
    least, largest = int(targets.min()), int(targets.max())
    known = len(np.unique(targets))
    if least < 0 or largest + 1 > 2 * known or largest < 1:
        raise DataError(
            f"{path}, {name}: classes from {least} to {largest}, {known} of them used; expected 0, "
            "1, 2, ... (numbers to predict are floats)"
        )
    return largest + 1


def _sequences(
    path: str,
    parts: list[tuple[tuple[npt.NDArray, str], str]],
    targets: npt.NDArray,
    rows: tuple[npt.NDArray, ...],
) -> Scanned:
    """Sequences with a class at each step: of symbols `[examples, steps]`, or of numbers.

    Args:
        path: where the arrays are.
        parts: the inputs of each part, and the name of its targets.
        targets: those of all parts, several integers an example.
        rows: of the splits.

    Raises:
        DataError: inputs and targets do not have the same steps, or there are negative symbols.
    """
    (_, x), y = parts[0]
    inputs = _joined(path, [array for array, _ in parts])
    if inputs.ndim > 3 or inputs.shape[:2] != targets.shape:
        raise DataError(
            f"{path}, {y}: {list(targets.shape[1:])} integers an example, expected one class, or "
            f"one at each step of {x}, which has the shape {list(inputs.shape[1:])}; numbers are "
            f"floats, and the classes of one-hot rows are {y}.argmax(axis=1)"
        )
    classes, symbols = _known(path, y, targets), 0
    if inputs.ndim == 2 and inputs.dtype.kind in "iub":
        symbols = _known(path, x, inputs)
        inputs = inputs.astype(np.uint8 if symbols <= 256 else np.float32)
        each = f"one of {symbols:,} symbols"
    else:
        inputs = inputs if inputs.dtype == np.uint8 else inputs.astype(np.float32)
        inputs = inputs.reshape(*targets.shape, -1)
        each = f"of {inputs.shape[2]:,} inputs, {inputs.dtype}"
    what = f"sequences of {targets.shape[1]:,} steps, each {each}"
    summary = said(path, rows, what, f"{classes:,} classes, one at each step")
    found = targets.astype(np.int32)
    return Scanned(inputs, found, rows, classes, None, summary, symbols=symbols, each_step=True)


def _known(path: str, name: str, symbols: npt.NDArray) -> int:
    """How many symbols are counted from 0 to the largest one; not all of them have to occur."""
    least, largest = int(symbols.min()), int(symbols.max())
    if least < 0 or not 1 <= largest < MOST_SYMBOLS:
        raise DataError(
            f"{path}, {name}: symbols from {least} to {largest}; expected 0, 1, 2, ... and fewer "
            f"than {MOST_SYMBOLS:,}"
        )
    return largest + 1
