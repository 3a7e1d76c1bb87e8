"""The IDX format of the files of MNIST: a header of big-endian integers, then the numbers.

A file starts with two zero bytes, a type code (8 is unsigned byte) and the number of dimensions;
then follows each dimension as a 4-byte integer, then the data in row-major order. Files may be
compressed with gzip. (Y. LeCun, C. Cortes, C. Burges: The MNIST database.)

Memory is allocated for the data that a file contains, never for what its header claims.
"""

from __future__ import annotations

import contextlib
import gzip
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from runner.errors import DataError
from runner.lazy import np

if TYPE_CHECKING:
    import numpy.typing as npt

_UNSIGNED_BYTE = 8
_LARGEST = 1 << 32
"""No valid file holds more bytes; a longer one (a gzip bomb) is not read to its end."""


def read_shape(path: Path, dimensions: int) -> tuple[int, ...]:
    """Return the shape in the header of a file of unsigned bytes with this number of dimensions.

    Raises:
        DataError: the file cannot be read or does not have this format.
    """
    with _opened(path) as stream:
        return _shape(path, stream, dimensions)


def read(path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    """Return the data of a file of unsigned bytes with this number of dimensions, gzip or raw.

    Raises:
        DataError: the file cannot be read, does not have this format, or is longer or shorter than
            its header says.
    """
    with _opened(path) as stream:
        shape = _shape(path, stream, dimensions)
        expected = math.prod(shape)
        # A dimension of 0 must not hide two others that no array can have.
        if math.prod(max(1, size) for size in shape) > _LARGEST:
            sizes = " x ".join(map(str, shape))
            raise DataError(f"{path}: its header says {sizes} bytes, more than any IDX file holds")
        payload = _read_at_most(stream, expected + 1)
    if len(payload) != expected:
        held = "more" if len(payload) > expected else f"only {len(payload):,}"
        raise DataError(f"{path}: its header says {expected:,} bytes of data, but there are {held}")
    return np.frombuffer(payload, np.uint8).reshape(shape)


def _shape(path: Path, stream: IO[bytes], dimensions: int) -> tuple[int, ...]:
    """Read the header."""
    whole = 4 + 4 * dimensions
    start = stream.read(whole)
    if len(start) < whole:
        raise DataError(f"{path}: the file ends within its header ({len(start)} of {whole} bytes)")
    magic = 256 * _UNSIGNED_BYTE + dimensions
    found, *shape = struct.unpack(f">{1 + dimensions}I", start)
    if found != magic:
        raise DataError(
            f"{path}: not an IDX file of unsigned bytes in {dimensions} dimensions: "
            f"magic number {found}, expected {magic}"
        )
    return tuple(shape)


def _read_at_most(stream: IO[bytes], limit: int) -> bytearray:
    """Read up to `limit` bytes, in pieces, so that the memory grows with the file."""
    payload = bytearray()
    while len(payload) < limit:
        piece = stream.read(min(limit - len(payload), 1 << 24))
        if not piece:
            break
        payload += piece
    return payload


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, decompressed if compressed; failures raise `DataError`."""
    try:
        with path.open("rb") as stream:
            compressed = stream.read(2) == b"\x1f\x8b"
            stream.seek(0)
            yield cast(IO[bytes], gzip.GzipFile(fileobj=stream)) if compressed else stream
    except EOFError as error:
        raise DataError(f"{path}: the compressed file is cut off") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: the compressed file is damaged: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
