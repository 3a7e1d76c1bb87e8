"""Files that anyone may have written, read within bounds: what is too much is no record.

A folder that runs are read from may hold anything: a pipe that never ends, a device, JSON nested a
million deep, numbers that no float holds. YAML may repeat a part by an alias, and parts that repeat
parts grow exponentially: one kilobyte can be more than memory holds.
"""

from __future__ import annotations

import json
import math
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import yaml

MOST_BYTES = 2**24
"""Of a file that is read as a whole; the summary of a run has a few kilobytes."""

_DEEPEST = 32
"""How deep JSON may be nested; a config has five levels."""

_MOST_VALUES = 10_000
"""Keys, values and lists of a YAML file with all aliases written out; a sweep's has 200."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The loader in C, where PyYAML has it, which is ten times as fast."""

_LARGEST = 2**63
"""Integers of a summary are smaller."""


def open_file(path: Path) -> BinaryIO:
    """Open a regular file for reading; a pipe or a device is not waited for.

    Raises:
        OSError: it cannot be opened, or is something else than a file.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path}: is no file")
    return os.fdopen(descriptor, "rb")


def read_text(path: Path) -> str:
    """Read a text file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is too large, or not in UTF-8.
    """
    with open_file(path) as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"{path}: has more than {MOST_BYTES:,} bytes")
    return content.decode("utf-8")


def read_json(path: Path) -> Any:
    """Read strict JSON: finite numbers, integers of 64 bits, nested a few levels deep.

    Raises:
        OSError: it cannot be read.
        ValueError: it is something else, or too large.
    """
    try:
        found = json.loads(
            read_text(path), parse_int=_integer, parse_float=_float, parse_constant=_constant
        )
    except RecursionError:
        raise ValueError(f"{path}: is nested too deeply") from None
    _check_depth(found)
    return found


def read_yaml(path: Path) -> Any:
    """Read YAML, of plain values only.

    Raises:
        OSError: it cannot be read.
        ValueError: it is something else, or too large.
    """
    text = read_text(path)
    try:
        check_size_of_yaml(text)
        return yaml.load(text, _LOADER)
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from None


def check_size_of_yaml(text: str) -> None:
    """Check how many values a file has with its aliases written out, and how deep they are nested.

    Raises:
        ValueError: too many, or too deep.
        YAMLError: it is no YAML.
    """
    sizes: dict[str, int] = {}
    open_parts: list[tuple[str | None, int]] = []  # the anchor, and the size before
    total = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            total += sizes.get(event.anchor, _MOST_VALUES)  # of a part that is open: it never ends
        elif isinstance(event, yaml.CollectionStartEvent):
            open_parts.append((event.anchor, total))
            total += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_parts.pop()
            if anchor is not None:
                sizes[anchor] = total - before
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        if total >= _MOST_VALUES:
            raise ValueError(f"has more than {_MOST_VALUES:,} values, those of aliases included")
        if len(open_parts) > _DEEPEST:
            raise ValueError(f"is nested more than {_DEEPEST} levels deep")


def _integer(text: str) -> int:
    if len(text) > 20 or abs(int(text)) >= _LARGEST:
        raise ValueError("an integer is too large")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _check_depth(value: Any) -> None:
    """Check how deep lists and dictionaries are nested.

    Raises:
        ValueError: too deep.
    """
    level = [value]
    for _ in range(_DEEPEST):
        inner = [each for each in level if isinstance(each, dict | list)]
        level = [
            item for each in inner for item in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise ValueError("nested too deeply")
