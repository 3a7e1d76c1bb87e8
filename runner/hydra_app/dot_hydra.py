"""The folder `.hydra` of a job: its config, Hydra's own config, and the overrides, as YAML.

The C library writes it and, of Hydra's own config, only what differs between jobs is converted for
each: with the writer of OmegaConf each job would take 20 ms.
"""

from __future__ import annotations

import functools
import json
import re
import textwrap
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from runner.whole_files import replace_text

_KEYS_OF_A_JOB = ("job", "overrides", "runtime")
"""The keys of Hydra's own config that differ between the jobs of a sweep."""

_PLAIN = re.compile(r"[a-z_/][\w/.,'@+\-]*[/=_][\w/.=,'@+\-]*", re.ASCII)
"""Words that are no other YAML than themselves: paths, and overrides without lists."""

_OF_EACH = ("seed", "id", "num", "output_dir", "override_dirname", "task")
"""Keys that have a value of their own in each job."""


def shared_text(config: DictConfig) -> str:
    """Hydra's own config as YAML, without the keys that differ between jobs of the same options."""
    shared = [str(key) for key in config.hydra if key not in _KEYS_OF_A_JOB]
    return _dumped({"hydra": _plain(OmegaConf.masked_copy(config.hydra, shared))})


def keys_of_a_job(config: DictConfig) -> dict[str, Any]:
    """The keys of Hydra's own config that differ between the jobs of a sweep."""
    return {key: _plain(config.hydra[key]) for key in _KEYS_OF_A_JOB}


def write(directory: Path, own: dict[str, Any], plain: dict[str, Any], shared: str) -> None:
    """Write the three files.

    Args:
        directory: the folder; it is made.
        own: the `keys_of_a_job`.
        plain: the resolved config of the job.
        shared: the `shared_text` of jobs with the same options.

    Raises:
        OSError: a file cannot be written.
    """
    directory.mkdir(exist_ok=True)
    texts = (f"{key}:\n{textwrap.indent(_yaml(value), '  ')}" for key, value in own.items())
    files = {
        "config": _yaml(plain),
        "hydra": shared + textwrap.indent("".join(texts), "  "),
        "overrides": _list(own["overrides"]["task"]),
    }
    for name, text in files.items():
        replace_text(directory / f"{name}.yaml", text)


def _plain(config: Any) -> Any:
    return OmegaConf.to_container(config, enum_to_str=True)


def _yaml(content: dict[str, Any]) -> str:
    """The keys one after the other; most have the values that they had in another job."""
    return "".join(_item(json.dumps([key, value])) for key, value in content.items())


@functools.lru_cache(maxsize=4096)
def _item(text: str) -> str:
    key, value = json.loads(text)
    if key in _OF_EACH and isinstance(value, list):
        return f"{key}:\n{_list(value)}" if value else _dumped({key: value})
    if key in _OF_EACH and (scalar := _scalar(value)):
        return f"{key}: {scalar}\n"
    return _dumped({key: value})


def _scalar(value: Any) -> str | None:
    """A value as YAML where that is simple, else None; the writer takes a tenth of a ms."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        return f"'{value}'"
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) else None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _list(words: list[str]) -> str:
    items = [_scalar(word) for word in words]
    return "".join(f"- {item}\n" for item in items) if items and all(items) else _dumped(words)


def _dumped(content: Any) -> str:
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes YAML that OmegaConf reads back unchanged: text like `1e3` is quoted."""


def _text(dumper: Any, text: str) -> Any:
    try:
        float(text)
        style = "'"
    except ValueError:
        style = None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
