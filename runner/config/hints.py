"""Hints at what to type instead of a word that is no key: from synonyms, and from keys of options.

A hint is only given where it works: `beta1` is `optimizer.b1` of an optimizer that has this key.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container, Iterator

from runner.config.synonyms import KEYS, NAMES, WORDS
from runner.errors import folded
from runner.experiment.table import OPTIONS, STACKED
from runner.options.option import Option


def key_meant(group: str, word: str, keys: Container[str]) -> str | None:
    """The key of an option that a word means: the same word, or what it is called here.

    Args:
        group: the group of the option.
        word: what the user typed.
        keys: the keys that the option has.
    """
    meanings = (word, *KEYS.get(group, {}).get(folded(word), ()))
    return next((key for key in meanings if key in keys), None)


def top_level_hint(word: str, accepted: Callable[[str], bool]) -> str:
    """A hint at what to type instead of a word at the top level; empty if there is none.

    Args:
        word: what the user typed before the `=`, without a group.
        accepted: whether the composed config has a full key such as `optimizer.b1`.
    """
    candidates = WORDS.get(folded(word))
    if candidates:
        works = (candidate for candidate in candidates if accepted(candidate))
        return f"; did you mean {next(works, candidates[-1])}?"
    full = {f"{place}.{key}": group for group, place, key in _keys_called(word)}
    works = (key for key in full if accepted(key))
    best = next(works, next(iter(full), None))
    if best is None:
        return ""
    if accepted(best):
        return f"; did you mean {best}?"
    group, key = full[best], best.rpartition(".")[2]
    return f"; did you mean {best}, a key of {group}={a_few(owners(group, key))}?"


def option_hint(word: str) -> str:
    """A hint at the option that a word at the top level names, if only one group has it.

    Args:
        word: what the user typed before the `=`: the name of an option, or what it is called
            elsewhere.
    """
    named = [(group, name) for group in OPTIONS if (name := _option_called(group, word))]
    return "; did you mean {}={}?".format(*named[0]) if len(named) == 1 else ""


def _option_called(group: str, word: str) -> str | None:
    """The option of a group that a word names; None if there is none."""
    names = {folded(name): name for name in OPTIONS[group]}
    return {**names, **NAMES.get(group, {})}.get(folded(word))


def _keys_called(word: str) -> Iterator[tuple[str, str, str]]:
    """Every `(group, place, key)` that a word may mean: the keys of that name first."""
    for exact in (True, False):
        for group, options in OPTIONS.items():
            for name, cls in options.items():
                key = key_meant(group, word, option_keys(cls))
                if key is not None and (key == word) is exact:
                    yield group, f"{group}.{name}" if group in STACKED else group, key


def own_file_hint(word: str) -> str:
    """A hint at how a file of one's own is named, for `data=houses.csv`; empty for other words."""
    ending = word.rpartition(".")[2].lower() if "." in word else ""
    if ending in ("csv", "tsv", "txt", "tab"):
        return f"; did you mean data=csv data.path={word} data.target=<column>?"
    if ending == "npz":
        return f"; did you mean data=npz data.path={word}?"
    return f"; did you mean data=images data.path={word}?" if "/" in word else ""


def option_keys(cls: type[Option]) -> list[str]:
    """The keys that may be set for an option: the names of its fields."""
    return [field.name for field in dataclasses.fields(cls)]


def owners(group: str, key: str) -> list[str]:
    """The options of a group that have a key."""
    return [name for name, cls in OPTIONS.get(group, {}).items() if key in option_keys(cls)]


def a_few(names: list[str]) -> str:
    """A few of the names, the shortest first: those are the plainest options."""
    if len(names) <= 3:
        return " or ".join(names)
    return ", ".join(sorted(names, key=lambda name: (len(name), name))[:3]) + " and others"
