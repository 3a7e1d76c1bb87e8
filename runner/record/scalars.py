"""Scalars in the format of event files, a whole chunk at once.

A record is the length of its data (8 bytes, little-endian), a checksum of the length, the data and
a checksum of the data; a checksum is CRC-32C, rotated and shifted as in TensorFlow's
`record_writer.cc`. The data of a scalar event are a protocol buffer. The offsets of its fields do
not depend on the values:

    Event:    1 wall_time (double), 2 step (varint), 5 summary
    Summary:  1 value, once a tag
    Value:    1 tag (string), 2 simple_value (float)

So the values are written into a table of bytes, column by column. Event by event this takes ten
times as long, which for a small network is longer than the training.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence

import google_crc32c
import numpy as np
import numpy.typing as npt

_MASK = 0xA282EAD8
_WALL_TIME, _STEP, _SUMMARY, _VALUE, _TAG, _SIMPLE_VALUE = (
    b"\x09",
    b"\x10",
    b"\x2a",
    b"\x0a",
    b"\x0a",
    b"\x15",
)
_HEAD, _TAIL = 12, 4
"""The number of bytes of a record before and after its data."""


def record(data: bytes) -> bytes:
    """A record that holds the data."""
    length = struct.pack("<Q", len(data))
    return b"".join((length, _checksum(length), data, _checksum(data)))


def scalar_records(
    tags: Sequence[str],
    steps: npt.NDArray,
    wall_times: npt.NDArray,
    values: npt.NDArray,
) -> bytes:
    """The bytes of a record for each row.

    Args:
        tags: a name for each column of `values`.
        steps: shape `(rows,)`; not negative.
        wall_times: shape `(rows,)`, in seconds since 1970.
        values: shape `(rows, tags)`.
    """
    widths = np.maximum(1, -(-np.frompyfunc(int.bit_length, 1, 1)(steps).astype(int) // 7))
    parts = []
    # A larger step takes more bytes; the steps of a chunk have one or two lengths.
    for width in np.unique(widths).tolist():
        rows = widths == width
        parts.append(_table(tuple(tags), width, steps[rows], wall_times[rows], values[rows]))
    return b"".join(parts)


def _table(
    tags: tuple[str, ...],
    width: int,
    steps: npt.NDArray,
    wall_times: npt.NDArray,
    values: npt.NDArray,
) -> bytes:
    """The records of rows whose steps take `width` bytes."""
    template, offsets = _template(tags, width)
    table = np.tile(np.frombuffer(template, np.uint8), (len(steps), 1))
    offset = _HEAD + len(_WALL_TIME)
    table[:, offset : offset + 8] = _bytes(wall_times, "<f8")
    offset += 8 + len(_STEP)
    for digit in range(width):
        more_follow = 0x80 if digit < width - 1 else 0
        table[:, offset + digit] = (steps >> (7 * digit)) & 0x7F | more_follow
    for offset, column in zip(offsets, values.T, strict=True):
        table[:, offset : offset + 4] = _bytes(column, "<f4")
    data = memoryview(np.ascontiguousarray(table[:, _HEAD:-_TAIL]).tobytes())
    size = len(template) - _HEAD - _TAIL
    checksums = [google_crc32c.value(bytes(data[i : i + size])) for i in range(0, len(data), size)]
    table[:, -_TAIL:] = _bytes(_masked(np.array(checksums, np.uint32)), "<u4")
    return table.tobytes()


@functools.lru_cache(maxsize=64)
def _template(tags: tuple[str, ...], width: int) -> tuple[bytes, list[int]]:
    """A record with zeros for all numbers, and the offsets of the values in it."""
    summary, offsets = b"", []
    for tag in tags:
        text = tag.encode()
        value = _TAG + _varint(len(text)) + text + _SIMPLE_VALUE
        summary += _VALUE + _varint(len(value) + 4) + value
        offsets.append(len(summary))
        summary += bytes(4)
    before = _WALL_TIME + bytes(8) + _STEP + bytes(width) + _SUMMARY + _varint(len(summary))
    return record(before + summary), [_HEAD + len(before) + offset for offset in offsets]


def _bytes(numbers: npt.NDArray, kind: str) -> npt.NDArray:
    """The bytes of each number: shape `(numbers, bytes)`."""
    return np.ascontiguousarray(numbers, kind).view(np.uint8).reshape(len(numbers), -1)


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the highest bit of a byte says that more follow."""
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def _checksum(data: bytes) -> bytes:
    return _masked(np.array([google_crc32c.value(data)], np.uint32)).astype("<u4").tobytes()


def _masked(checksums: npt.NDArray) -> npt.NDArray:
    return ((checksums >> np.uint32(15)) | (checksums << np.uint32(17))) + np.uint32(_MASK)
