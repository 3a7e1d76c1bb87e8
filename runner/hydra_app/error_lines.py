"""What goes wrong while Hydra composes a config, as errors of one line."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence

import yaml
from hydra.core.config_loader import ConfigLoader
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf.errors import OmegaConfBaseException

from runner.config.hints import own_file_hint
from runner.config.locations import CONFIG_NAME
from runner.config.synonyms import NAMES
from runner.errors import ConfigError, did_you_mean
from runner.experiment.table import GROUPS, OPTIONS
from runner.hydra_app.checking import check, first_line
from runner.hydra_app.overrides import (
    FIGURE_KEYS,
    NUMBERED_GROUP,
    as_typed,
    typed_words,
    without_prefix,
)
from runner.hydra_app.yaml_files import line_about


@contextlib.contextmanager
def one_line_errors(loader: ConfigLoader, overrides: Sequence[str]) -> Iterator[None]:
    """Turn what Hydra raises while composing into a `ConfigError` of one line.

    Nothing but Hydra runs here, and what it raises follows from the words and files of the user,
    be it a `TypeError` about a list where it expects a name.

    Raises:
        ConfigError: composing failed.
    """
    try:
        yield
    except ConfigError:
        raise
    except yaml.YAMLError as error:
        raise ConfigError(line_about(error)) from error
    except RecursionError as error:
        raise ConfigError(_endless(overrides)) from error
    except MissingConfigException as error:
        raise ConfigError(_missing_option(loader, overrides, error)) from error
    except OverrideParseException as error:
        raise ConfigError(_unparsable(error)) from error
    except Exception as error:
        found = (
            _stray_figure_key(error)
            or _stray_key(loader, overrides, error)
            or _misused(overrides, error)
        )
        expected = isinstance(error, HydraException | OmegaConfBaseException | ValueError)
        line = first_line(error) if expected else _unexpected(overrides, error)
        raise found or ConfigError(line) from error


@contextlib.contextmanager
def run_errors() -> Iterator[None]:
    """Turn Hydra's exceptions into a `ConfigError`; the exceptions of a run pass unchanged.

    Raises:
        ConfigError: Hydra raised an exception.
    """
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(first_line(error)) from error


def _endless(overrides: Sequence[str]) -> str:
    """The line for a config that has no end."""
    return (
        f"{typed_words(overrides) or 'the config'}: a defaults list includes itself, or values are "
        "nested too deeply"
    )


def _unexpected(overrides: Sequence[str], error: Exception) -> str:
    """The line for an exception that Hydra does not raise by intention."""
    words = " ".join(word for word in overrides if word != "hydra.mode=MULTIRUN")
    kind = type(error).__name__
    return f"{as_typed(words) or 'the config'}: cannot be composed: {kind}: {first_line(error)}"


def _missing_option(
    loader: ConfigLoader, overrides: Sequence[str], error: MissingConfigException
) -> str:
    """The line for an option, or a whole config, that does not exist."""
    missing = str(error.missing_cfg_file or "")
    kind, _, word = missing.partition("/")
    if kind == "data" and (hint := own_file_hint(word)):
        return f"data={word} is not a known data{hint}"
    group, _, name = missing.rpartition("/")
    if group in GROUPS:
        options = sorted(error.options or loader.get_group_options(group))
        hint = did_you_mean(name, options, NAMES.get(group))
        return f"{_place_of(overrides, group, name)}={name} is not a known {group}{hint}"
    return first_line(error)


def _place_of(overrides: Sequence[str], group: str, name: str) -> str:
    """Where an option was chosen, as typed: the group, or `optimizer.base` for one inside."""
    for word in overrides:
        key, _, value = word.partition("=")
        inside, _, place = key.partition("@")
        if inside == group and place and name in value.split(","):
            return place
    return group


def _stray_key(
    loader: ConfigLoader, overrides: Sequence[str], error: Exception
) -> ConfigError | None:
    """Find the key that Hydra could not override, by letting every key in and checking it."""
    if "Could not override" not in str(error):
        return None
    lenient = [_let_in(word) for word in overrides]
    try:
        config = loader.load_configuration(
            CONFIG_NAME, lenient, RunMode.MULTIRUN, validate_sweep_overrides=False
        )
        check(loader, config, overrides)
    except ConfigError as found:
        return found
    except (HydraException, OmegaConfBaseException):
        return None
    return None


def _let_in(word: str) -> str:
    """An override in the form that Hydra accepts whether or not its key exists."""
    if word.startswith(("+", "~", "hydra.")) or _chooses(word):
        return word
    chooses_inside = "@" in word.partition("=")[0]
    return f"+{word}" if chooses_inside else f"++{word}"


def _stray_figure_key(error: Exception) -> ConfigError | None:
    """The error for a key `figure.*` that no figure has."""
    found = re.search(r"Could not override '(.*)'", str(error))
    key = without_prefix(found[1]) if found else ""
    if not key.startswith(FIGURE_KEYS):
        return None
    from runner.compare.view import fields_of_view

    hint = did_you_mean(key, [f"{FIGURE_KEYS}{field.name}" for field in fields_of_view()])
    return ConfigError(f"{key} is not a known key{hint}")


def _unparsable(error: OverrideParseException) -> str:
    """The line for a word that is not an override."""
    if "=" not in error.override:
        return f"{error.override!r} is not of the form key=value"
    word = without_prefix(error.override)
    quotes = "; text needs two kinds of quotes, as in 'figure.title=\"Loss (test)\"'"
    hint = quotes if word.startswith(FIGURE_KEYS) else ""
    return f"{word!r} cannot be read: {first_line(error)}{hint}"


def _misused(overrides: Sequence[str], error: Exception) -> ConfigError | None:
    """The error for several values where one is expected, or for a group set to no name."""
    text = str(error)
    for word in overrides:
        if "Sweeping over Hydra's configuration" in text and f"'{word}'" in text:
            return ConfigError(f"{without_prefix(word)}: has one value for the whole sweep")
        group, _, value = word.partition("=")
        if "Ambiguous value" in text and f"'{word}'" in text:
            return ConfigError(
                f"{as_typed(word)} is a sweep over several values: add -m, or write [...]"
            )
        if group == "hydra.verbose" and isinstance(error, AssertionError):
            return ConfigError(f"{word}: must be true, false, or the names of loggers: [runner]")
        named = value[:1].isalpha() and value not in ("null", "true", "false")
        if isinstance(error, ValueError | TypeError) and group in GROUPS and not named:
            names = ", ".join(sorted(OPTIONS[group])) if group in OPTIONS else ""
            return ConfigError(
                f"{word}: {value} is not the name of an option of {group}"
                + (f"; choose from {names}" if names else "")
                + (", or a whole number" if group == NUMBERED_GROUP else "")
            )
    return None


def _chooses(override: str) -> bool:
    """Whether an override chooses an option of a group."""
    key = override.partition("=")[0]
    return "/" in key or key in GROUPS
