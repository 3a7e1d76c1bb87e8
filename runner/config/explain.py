"""`runner --help optimizer=adam optimizer.b2 schedule epochs`: what the words of a command mean.

A group lists its options; an option has its rule, its source and its keys; a key has its range, and
its meaning and default in each option that has it. Nothing here imports JAX.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from runner.config.described import (
    Key,
    comment_of,
    file_of,
    introduction,
    keys_of,
    meaning_of,
    rule_of,
)
from runner.config.help import default_of, help_text, meanings_of, settings_of
from runner.config.hints import key_meant, option_hint, top_level_hint
from runner.config.locations import config_directory, existing, source_flags
from runner.config.plugins import PLUGINS, load_plugins, plugin_hint, typed_plugins
from runner.config.synonyms import NAMES
from runner.errors import ConfigError, did_you_mean
from runner.experiment.groups import group_inside
from runner.experiment.table import GROUPS, OPTIONS, STACKED

_WIDTH = 100


def help_for(argv: list[str]) -> str:
    """Return the help, or what the words of the command line mean.

    The options of a `--config-dir` and of `plugins` on the same command line are part of both.

    Raises:
        ConfigError: a word is not known, or a folder or a plug-in is not there.
    """
    flags = list(source_flags(argv))
    typed = {word for flag in flags for word in flag.words}
    words = [word for word in argv if word not in {*typed, "--help", "-h", "-m", "--multirun"}]
    own = [existing(flag.value) for flag in flags if flag.is_directory]
    directories = [config_directory(), *own]
    load_plugins(typed_plugins(words))
    asked = [word for word in words if word.lstrip("+").partition("=")[0] != PLUGINS]
    if not asked or any(word.startswith("-") for word in asked):
        return help_text(directories)
    return explained(asked, directories)


def explained(words: Sequence[str], directories: Sequence[Path]) -> str:
    """Return what the words of a command line mean, one paragraph a word.

    Args:
        words: groups, options (`optimizer=adam`) and keys (`optimizer.b2`, with or without a
            value). The meaning of a key is that in the options among them, or in all that have it.
        directories: the folder `conf`, then the folder of the user's own options.

    Raises:
        ConfigError: a word is not known; with the nearest one that is.
    """
    chosen = dict(choice for word in words for choice in _choices(word))
    return "\n".join(_explained(word, chosen, directories) for word in words)


def _choices(word: str) -> Iterator[tuple[str, list[str]]]:
    """The group and the options that a word chooses."""
    group, _, value = word.lstrip("+").partition("=")
    if group in GROUPS and value:
        names = value.strip("[]").split(",")
        is_size = group == "batch_size"
        yield group, ["mini" if is_size and name.isdigit() else name for name in names]


def _explained(word: str, chosen: dict[str, list[str]], directories: Sequence[Path]) -> str:
    for group, names in _choices(word):
        return "\n".join(_option(group, name, directories) for name in names)
    key = word.lstrip("+").partition("=")[0]
    if key in GROUPS:
        return _group(key, directories)
    settings = settings_of(directories[0])
    if key in settings:
        return f"{settings[key]}\n"
    if "." in key:
        return _key(key, chosen, directories)
    hint = top_level_hint(key, lambda full: full in _every_key()) or option_hint(key)
    known = [*GROUPS, *settings]
    raise ConfigError(f"{key} is no group, option or key{hint or did_you_mean(key, known)}")


def _group(group: str, directories: Sequence[Path]) -> str:
    """Its idea, its options, and how to ask for more."""
    meanings = meanings_of(directories, group)
    width = max(map(len, meanings))
    default = default_of(directories, group)
    lines = [f"{group}: one of these" if default == "..." else f"{group}={default} is the default"]
    if text := introduction(group):
        lines += ["", textwrap.indent(text, "  ")]
    lines += ["", *(f"  {name:<{width}}  {meaning}" for name, meaning in meanings.items()), ""]
    if group in STACKED:
        lines.append(f"Several may be chosen: {group}=[a,b]")
    example = next(name for name in reversed(meanings) if name != "none")
    lines.append(f"runner --help {group}={example} says what one does, and which keys it has.")
    return "\n".join(lines) + "\n"


def _option(group: str, name: str, directories: Sequence[Path]) -> str:
    """Its meaning, its rule with its source, and its keys.

    Raises:
        ConfigError: it is not known, or its plug-in was not named.
    """
    file = file_of(directories, group, name)
    cls = OPTIONS.get(group, {}).get(name)
    if cls is None and (file is None or group in OPTIONS):
        hint = plugin_hint(group, name, directories) if file else ""
        known = meanings_of(directories, group)
        hint = hint or did_you_mean(name, known, NAMES.get(group))
        raise ConfigError(f"{group}={name} is not a known {group}{hint}")
    if cls is None:
        assert file is not None
        text = "\n".join(comment_of(file)).strip()
        return f"{group}={name}  {text}\n\nIt runs with: runner +{group}={name}\n"
    lines = [f"{group}={name}" + (f"  {meaning_of(file)}" if file else "")]
    lines += ["", textwrap.indent(rule_of(cls), "  ")]
    place = f"{group}.{name}" if group in STACKED else group
    keys = keys_of(cls, file)
    if keys:
        width = max(len(f"{key.name}={key.default}") for key in keys)
        lines += ["", *(_line(f"{place}.", key, width) for key in keys)]
    return "\n".join(lines) + "\n"


def _line(prefix: str, key: Key, width: int) -> str:
    """A key with its default as it is typed, then its meaning and range."""
    start = f"  {prefix}{f'{key.name}={key.default}':<{width}}  "
    allowed = f"any {key.inside}; its keys are {prefix}{key.name}.<key>"
    about = f"{key.meaning} ({allowed if key.inside else _allowed(key)})".strip()
    indent = " " * len(start)
    return textwrap.fill(about, _WIDTH, initial_indent=start, subsequent_indent=indent)


def _allowed(key: Key) -> str:
    return ", ".join(filter(None, [key.kind, key.limits]))


def _key(full: str, chosen: dict[str, list[str]], directories: Sequence[Path]) -> str:
    """What a key means in every option that has it, or in the chosen ones.

    Raises:
        ConfigError: no such option has it.
    """
    place, _, name = full.rpartition(".")
    group, names = _options_at(place)
    if group is None:
        parts = full.split(".")
        hint = did_you_mean(parts[0], GROUPS) if parts[0] not in GROUPS else _keys_hint(full)
        raise ConfigError(f"{full} is not a known key{hint}")
    names = names or [name for name in chosen.get(place, ()) if name in OPTIONS[group]]
    names = names or list(OPTIONS[group])
    found: dict[tuple[str, str], list[tuple[str, Key]]] = {}
    for option in names:
        file = file_of(directories, group, option)
        for key in keys_of(OPTIONS[group][option], file):
            if key.name == name:
                found.setdefault((key.inside or "", _allowed(key)), []).append((option, key))
    if not found:
        raise ConfigError(f"{full} is not a known key{_near_key(place, group, names, name)}")
    lines = []
    for (inside, allowed), keys in found.items():
        lines.append(f"{full}: {f'any {inside}' if inside else allowed}")
        width = max(len(f"{group}={option}") for option, _ in keys)
        digits = max(len(key.default) for _, key in keys)
        for option, key in keys:
            start = f"  {f'{group}={option}':<{width}}  {key.default:<{digits}}  "
            lines.append(f"{start}{key.meaning}".rstrip())
    return "\n".join(lines) + "\n"


def _options_at(place: str) -> tuple[str | None, list[str]]:
    """The group of the option at a place such as `optimizer.base`, and its name where it is typed.

    In a stack the name is part of the place: `regularization.dropout`.
    """
    first, *rest = place.split(".")
    group: str | None = first if first in OPTIONS else None
    if group in STACKED and rest:
        assert group is not None
        return (group, rest) if len(rest) == 1 and rest[0] in OPTIONS[group] else (None, [])
    for field in rest:
        group = group and group_inside(group, field)
    return group, []


def _near_key(place: str, group: str, options: Sequence[str], name: str) -> str:
    """A hint at the key of some options that was meant."""
    names = [key.name for option in options for key in keys_of(OPTIONS[group][option], None)]
    known = dict.fromkeys(names)
    meant = key_meant(group, name, known)
    return f"; did you mean {place}.{meant}?" if meant else did_you_mean(name, known)


def _keys_hint(full: str) -> str:
    """A hint at the nearest of all full keys."""
    return did_you_mean(full, _every_key()) if re.fullmatch(r"[\w.]+", full) else ""


def _every_key() -> list[str]:
    """Every key of every option, as it is typed."""
    return [
        f"{group}.{name}.{key.name}" if group in STACKED else f"{group}.{key.name}"
        for group, options in OPTIONS.items()
        for name, cls in options.items()
        for key in keys_of(cls, None)
    ]
