"""Python values as the overrides that a person would type.

A setting is a key with a value: a number, text, a list, or a dictionary of the keys below it.

    epochs=5                                        epochs=5
    optimizer="adam"                                optimizer=adam
    optimizer={"name": "adam", "b1": 0.8}           optimizer=adam optimizer.b1=0.8
    optimizer=Adam(b1=0.8)                          the same, with all its numbers
    **{"model.widths": [64, 64]}                    model.widths=[64,64]
    regularization={"dropout": {"rate": 0.2}}       regularization=[dropout]
                                                    regularization.dropout.rate=0.2

Pure functions of values.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from runner.errors import ConfigError
from runner.experiment.groups import name_of
from runner.experiment.table import STACKED
from runner.options.option import Option

_PLAIN = re.compile(r"[A-Za-z_/][\w./-]*", re.ASCII)
"""Text that Hydra's grammar reads as the same text without quotes."""

_WORDS = re.compile(r"(null|true|false|inf|nan)", re.IGNORECASE)
"""Text that it would read as something else."""

_KEY = re.compile(r"[+~]{0,2}[\w/@.-]+")


def words_of(settings: Mapping[str, Any]) -> list[str]:
    """Return the overrides that give some keys their values.

    Raises:
        ConfigError: a key is no text, or a value has no form on the command line.
    """
    return [word for key, value in settings.items() for word in _setting(_checked(key), value)]


def swept_words(grid: Mapping[str, Any]) -> list[str]:
    """Return the overrides of a sweep that tries several values of some keys.

    Args:
        grid: for each key the values to try, in a list or any other collection; a number, text or
            dictionary is one value for all runs.

    Raises:
        ConfigError: a key is no text, has no values, or a value has no form on the command line.
    """
    words: list[str] = []
    for key, values in grid.items():
        listed = _listed(values)
        if listed is None:
            words += words_of({key: values})
            continue
        if not listed:
            raise ConfigError(f"{key}: has no values to run")
        for value in listed:
            if isinstance(value, Mapping):
                raise ConfigError(
                    f"{key}: a dictionary is not one of several values; sweep its keys: "
                    f"{{'{key}': ['a', 'b'], '{key}.rate': [0.1, 0.2]}}"
                )
        words.append(f"{_checked(key)}={','.join(_value(key, value) for value in listed)}")
    return words


def _setting(key: str, value: Any) -> Iterator[str]:
    """The overrides of one key."""
    if isinstance(value, Option):
        value = _described(value)
    if not isinstance(value, Mapping):
        yield f"{key}={_value(key, value)}"
        return
    inner = dict(value)
    if key in STACKED:
        yield f"{key}=[{','.join(map(str, inner))}]"
        inner = {name: below for name, below in inner.items() if below != {}}
    elif "name" in inner:
        yield f"{key}={_value(key, inner.pop('name'))}"
    elif not inner:
        raise ConfigError(f"{key}: the dictionary is empty")
    for below, its in inner.items():
        yield from _setting(f"{key}.{_checked(below)}", its)


def _described(chosen: Option) -> dict[str, Any]:
    """An option as its name and the values of its fields.

    Raises:
        ConfigError: its class is not registered.
    """
    if (name := name_of(chosen)) is None:
        cls = type(chosen).__name__
        raise ConfigError(f"{cls} is not known: runner.plugin.register(GROUP, NAME, {cls})")
    fields = {field.name: getattr(chosen, field.name) for field in dataclasses.fields(chosen)}
    return {"name": name, **fields}


def _value(key: str, value: Any) -> str:
    """A value in Hydra's grammar."""
    if hasattr(value, "tolist"):  # an array or a number of NumPy or JAX
        value = value.tolist()
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str) or hasattr(value, "__fspath__"):
        return _text(str(value))
    listed = _listed(value)
    if listed is None:
        raise ConfigError(
            f"{key}: {type(value).__name__} has no form in a config; expected a number, text, a "
            "list or a dictionary"
        )
    return f"[{','.join(_value(key, item) for item in listed)}]"


def _text(value: str) -> str:
    """Text in Hydra's grammar, with quotes where it would be read as something else."""
    if _PLAIN.fullmatch(value) and not _WORDS.fullmatch(value):
        return value
    if value.isdecimal():  # the name of an option, as Hydra has it: batch_size='64'
        return f"'{value}'"
    # Backslashes are literal, but before a quote and at the end.
    escaped = re.sub(
        r'(\\*)("|\Z)', lambda found: found[1] * 2 + found[2].replace('"', '\\"'), value
    )
    return f'"{escaped}"'


def _listed(value: Any) -> list[Any] | None:
    """The items of a collection; None if it is a single value."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        return None
    return list(value)


def _checked(key: Any) -> str:
    """The key.

    Raises:
        ConfigError: it is not one.
    """
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise ConfigError(f"{key!r} is not a key, like epochs or optimizer.learning_rate")
    return key
