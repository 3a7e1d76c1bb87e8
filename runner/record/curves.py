"""Curves at full resolution: NumPy files of rows that grow while the run goes on.

`steps.npy` and `epochs.npy` are plain `.npy` files with named columns:

    steps = numpy.load("steps.npy", mmap_mode="r")
    plot(steps["step"], steps["train_loss"])

`path.npy`, of a run whose parameters are a point of the plane, is one, too.

The format is open and describes itself, needs no dependency and no pickle, can be mapped into
memory however long the run was, and can be appended to safely: the rows are written first and then
the number of rows in the header, in place. If the process is killed in between, the header still
has the number of rows before, and readers ignore the rest.

Format: the `.npy` specification, version 1.0 (`numpy.lib.format`).
"""

from __future__ import annotations

import functools
import io
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from runner.record.foreign import open_file
from runner.whole_files import new_file, open_no_link, write_all

_HEADER_UNIT = 512
"""The size of a header is a multiple of this: enough for the names of the columns and any number
of rows."""

_PREAMBLE_BYTES = 10
_LONGEST_COUNT = 20
"""The number of letters that the number of rows may grow by."""

_MAPPED_FROM = 2**20
"""Curves with more bytes than this are mapped, and others read."""

_MAPPED_AT_ONCE = 32
"""How many curves are mapped at a time; each keeps a file open. Others are read, however long."""

_mapped: weakref.WeakSet[Any] = weakref.WeakSet()


class CurveFile:
    """A file of rows that can be appended to. It is open only while it is written.

    Args:
        path: the file; it is replaced, unless rows are kept.
        dtype: of a row; a record with a name for each column.
        kept: how many rows of the file that is there stay; it has at least as many.
    """

    def __init__(self, path: Path, dtype: np.dtype, kept: int = 0) -> None:
        self._path, self._dtype = path, dtype
        self._rows = kept
        header = _header(dtype, kept)
        self._header_bytes = len(header)
        if kept:
            with io.FileIO(path, "r+", opener=open_no_link) as file:
                write_all(file, header)
                file.truncate(len(header) + kept * dtype.itemsize)
            return
        with new_file(path) as file:  # not through a link to a file elsewhere
            write_all(file, header)

    def append(self, rows: npt.NDArray) -> None:
        """Write rows of the file's dtype, then the new number of rows."""
        if not len(rows):
            return
        with io.FileIO(self._path, "r+", opener=open_no_link) as file:
            file.seek(self._header_bytes + self._rows * self._dtype.itemsize)
            write_all(file, np.ascontiguousarray(rows, self._dtype).tobytes())
            self._rows += len(rows)
            file.seek(0)
            write_all(file, _header(self._dtype, self._rows))


@functools.lru_cache(maxsize=64)
def _header(dtype: np.dtype, rows: int) -> bytes:
    entries = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": (rows,),
    }
    magic = np.lib.format.magic(1, 0)
    text = repr(entries).encode("latin1")
    without_count = len(text) - len(str(rows))
    units = -(-(_PREAMBLE_BYTES + without_count + _LONGEST_COUNT) // _HEADER_UNIT)
    length = units * _HEADER_UNIT - _PREAMBLE_BYTES
    return magic + length.to_bytes(2, "little") + text.ljust(length - 1) + b"\n"


def read_curve(path: Path) -> npt.NDArray:
    """Read a short curve, or map a long one into memory; it may still be growing.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a curve.
    """
    with open_file(path) as file:
        head = file.read(_PREAMBLE_BYTES)
        head += file.read(int.from_bytes(head[-2:], "little"))
        shape, dtype, offset = _parsed(head)
        if not shape[0]:
            return np.zeros(0, dtype)
        if shape[0] * dtype.itemsize > _MAPPED_FROM and len(_mapped) < _MAPPED_AT_ONCE:
            rows = np.memmap(file, dtype, "r", offset, shape)
            _mapped.add(rows._mmap)  # type: ignore[attr-defined]
            return rows
        file.seek(offset)
        return np.frombuffer(file.read(shape[0] * dtype.itemsize), dtype)


@functools.lru_cache(maxsize=64)
def _parsed(head: bytes) -> tuple[tuple[int, ...], np.dtype, int]:
    """Shape, type and offset of the rows; cached, since curves of one length have equal headers."""
    file = io.BytesIO(head)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("not version 1.0 of the format")
    try:
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    except Exception as error:  # of damaged headers NumPy also raises what its parsers raise
        raise ValueError(f"no header of the format: {error}") from error
    if len(shape) != 1 or shape[0] < 0 or dtype.hasobject or not dtype.itemsize:
        raise ValueError("not rows of numbers")
    return shape, dtype, file.tell()
