"""Strategies of `hypothesis`: command lines, YAML files and records that nobody would write.

Each starts from what is right and makes a few mistakes in it, since pure noise is refused by the
first check that it meets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from runner.config.keys import flat
from runner.experiment.table import OPTIONS, STACKED

ROOT = Path(__file__).parent.parent.parent
CONF = ROOT / "conf"

_NUMBERS = """
0 1 -1 2 0.5 1e-50 1e39 1e400 -1e-320 0.99999999999 3000000000 99999999999999999999 nan inf -inf .5
1_000 0x10 1e 00 1.0 +1 1e-7
"""
_ODD = """
null true false maybe [] {} [1] [[1]] [a,b] {a:1} {a:{b:1}} [1,[2]] '' "" '1' ${seed} ${nope}
${oc.env:HOME} ${now:} ${run_name:} ${ ??? $x^{$ <b> =1+1 @x ../x /dev/null /proc/self .. . ~ a/b
a=b a:b ((1)) %s {0}
"""
_OTHERS = (
    *("\\", "a\nb", "a b", "'a\nb'", "\x1b[31m", "\udcff", "日本"),
    *("x" * 300, "1" * 5000, "[" * 200, "\n", " "),
)
_SEVERAL = """
1,2 a,b range(0) range(3) range(1,0) range(0,1,0) range(0,1000000000) choice(1,2) glob(*) ,1 1,
interval(0,1) shuffle(1,2) sort(2,1) 0,0 1,1.0 choice() glob(x*) tag(a,1,2) int(1.5)
"""
_SIGNS_OF_TEXT = "abAB01.,:=+-_~@/\\'\"$%#<>|&*() \t\n[]{}\x1bé日"
_TEXT = st.text(_SIGNS_OF_TEXT, max_size=8)
VALUES = st.one_of(
    *(
        st.sampled_from(each)
        for each in (_NUMBERS.split(), _ODD.split(), _OTHERS, _SEVERAL.split())
    ),
    _TEXT,
)
"""What may follow a `=`."""


def _keys_of(group: str, name: str) -> dict[str, Any]:
    """The keys of an option with their values; none where it has no file."""
    file = CONF / group / f"{name}.yaml"
    return flat(yaml.safe_load(file.read_text(encoding="utf-8"))) if file.exists() else {}


def _keys() -> list[str]:
    """Keys of every kind: groups, settings, settings of options, of the launcher and of Hydra."""
    settings = [
        f"{group}.{key}"
        for group, options in OPTIONS.items()
        for name in options
        for key in _keys_of(group, name)
    ]
    own = yaml.safe_load((CONF / "config.yaml").read_text())
    launcher = yaml.safe_load((CONF / "hydra/launcher/runner.yaml").read_text())
    sweeper = yaml.safe_load((CONF / "hydra/sweeper/runner.yaml").read_text())
    return [
        *OPTIONS,
        "experiment",
        *dict.fromkeys(settings),
        *(key for key in own if key not in ("defaults", "hydra")),
        *launcher,
        *(f"hydra.launcher.{key}" for key in launcher),
        *(f"hydra.sweeper.{key}" for key in flat(sweeper)),
        *(f"figure.{key}" for key in sweeper["figure"]),
        *_OF_HYDRA.split(),
    ]


_OF_HYDRA = """
hydra hydra.verbose hydra.mode hydra.run.dir hydra.sweep.dir hydra.sweep.subdir hydra.job.name
hydra.job.chdir hydra.job.env_set hydra.job.env_copy hydra.job.override_dirname hydra.job.config
hydra.output_subdir hydra.searchpath hydra.callbacks hydra.job_logging hydra.hydra_logging
hydra.runtime hydra.overrides hydra.job_logging.version hydra.job.config.override_dirname
hydra/launcher hydra/sweeper hydra/job_logging hydra/hydra_logging hydra/output hydra/help
"""
_KEYS = st.sampled_from(_keys())
_NAMES = st.sampled_from([(group, name) for group, names in OPTIONS.items() for name in names])
_SIGNS = st.sampled_from(["", "", "", "", "+", "++", "~"])
_SETTING = st.builds(lambda sign, key, value: f"{sign}{key}={value}", _SIGNS, _KEYS, VALUES)
_CHOICE = st.builds(lambda sign, choice: f"{sign}{choice[0]}={choice[1]}", _SIGNS, _NAMES)
_BARE = st.one_of(_KEYS.map("~{}".format), _KEYS, _TEXT, st.sampled_from(["=", "+", "@", "a@b=c"]))
_FLAGS = st.sampled_from(
    [
        ("-m",),
        ("-m",),
        ("--cfg", "job"),
        ("--cfg", "hydra"),
        ("--cfg", "all", "--resolve"),
        ("--cfg", "job", "--package", "optimizer"),
        ("--cfg", "job", "--package", "nope"),
        ("--cfg", "nope"),
        ("--info",),
        ("--info", "defaults"),
        ("--config-name", "nope"),
        ("--config-name", "a\nb"),
        ("--config-path", "x"),
        ("--config-dir", "nope"),
        ("--config-dir", "/dev/null"),
        ("--rerun", "nope"),
        ("--rerun", "/dev/null"),
        ("--into", "x"),
        ("--nope",),
        ("-x\ny",),
    ]
)


@st.composite
def _misspelt(draw: st.DrawFn, words: st.SearchStrategy[str]) -> str:
    """A word with a sign too much, too few, or another one."""
    word = draw(words)
    place = draw(st.integers(0, len(word)))
    cut = draw(st.integers(0, 2))
    return word[:place] + draw(st.text(_SIGNS_OF_TEXT, max_size=2)) + word[place + cut :]


_WORD = st.one_of(_SETTING, _SETTING, _CHOICE, _misspelt(_CHOICE), _misspelt(_SETTING), _BARE)


@st.composite
def _one_mistake(draw: st.DrawFn) -> list[str]:
    """An option with a value of one of its own keys, both of which are read."""
    group, name = draw(_NAMES)
    keys = [key for key in _keys_of(group, name) if not key.startswith("defaults")]
    place = f"{group}.{name}" if group in STACKED else group
    choice = [f"{group}={name}"]
    return [*choice, f"{place}.{draw(st.sampled_from(keys))}={draw(VALUES)}"] if keys else choice


_FEW = st.one_of(
    _one_mistake(),
    _one_mistake(),
    st.tuples(_SETTING),
    st.tuples(_CHOICE, _SETTING),
    st.lists(_WORD, min_size=1, max_size=3),
)


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """The words after `runner`; they train nothing."""
    flags = draw(st.one_of(st.just(()), st.just(()), st.just(("-m",)), _FLAGS))
    line = [*flags, *draw(_FEW), *draw(st.one_of(st.just(()), st.tuples(_CHOICE)))]
    # No process gets a NUL as an argument.
    return [word.replace("\x00", "") for word in line] + ["dry_run=true"]


_ENDS = """
0 1 -1 1e-38 1e-45 3e38 1e38 0.9999999 1e-7 2147483647 100 1e4 -3e38
"""


@st.composite
def values(draw: st.DrawFn) -> list[str]:
    """An option, and extreme numbers for some of its keys."""
    group, name = draw(_NAMES)
    words = [f"{group}={name}"]
    prefix = f"{group}.{name}" if group in STACKED else group
    numbers = [
        key
        for key, value in _keys_of(group, name).items()
        if isinstance(value, float | int) and not isinstance(value, bool)
    ]
    if numbers:
        keys = draw(st.lists(st.sampled_from(numbers), min_size=1, max_size=2, unique=True))
        words += [f"{prefix}.{key}={draw(st.sampled_from(_ENDS.split()))}" for key in keys]
    return words


_LINES = st.sampled_from(
    [
        *("\tkey: 1", "key: 1", "1: 2", "? [a]", "key: !!python/name:os.system", "- 1", "key: *x"),
        *("key: &x [*x]", "defaults: 5", "defaults: [mine]", "defaults: [/optimizer: mine]"),
        *("_target_: os.system", "key: ${nope}", "key: ???", "key: 2020-01-01", "key: !!set {a}"),
        *(
            "---",
            "...",
            "{",
            "]",
            '"',
            "# @package _global_",
            "# @package ..",
            "null: 1",
            "yes: no",
        ),
        *("hydra: {sweeper: {max_batch_size: abc}}", "<<: *x", "key: |", "  key: 1", "name: [a]"),
    ]
)
_FILES = sorted((CONF / "optimizer").glob("*.yaml")) + sorted((CONF / "experiment").glob("*.yaml"))


@st.composite
def yaml_files(draw: st.DrawFn) -> tuple[str, bytes]:
    """The group and the content of a file of the user's own."""
    file = draw(st.sampled_from(_FILES))
    lines = file.read_text(encoding="utf-8").splitlines()
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(lines)))
        kind = draw(st.integers(0, 3))
        if kind == 0:
            lines.insert(place, draw(st.one_of(_LINES, _TEXT)))
        elif kind == 1:
            del lines[place : place + 1]
        elif kind == 2 and place < len(lines):
            key = lines[place].partition(":")[0]
            lines[place] = f"{key}: {draw(VALUES)}"
        elif place < len(lines):
            lines.insert(place, lines[place])
    text = "\n".join(lines) + "\n"
    return file.parent.name, text.encode("utf-8", "surrogatepass")


_JSON: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [
            *(None, True, -1, 0, 1, 0.5, 2**31, 10**400, -(10**30), 1e308, "", "x", "running"),
            *([], {}, [1], {"a": 1}, [[[[1]]]], "\ud800", "a\nb", "\x1b[2J", "=1+1", "$x^{$"),
            *("</script><script>alert(1)</script>", "\\input{x}", "|a|", "`a`", "x" * 5000),
        ]
    ),
    st.text(max_size=5),
    st.floats(),
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to all values of some JSON."""
    found = [path] if path else []
    items: Sequence[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, item in items:
        found += _places(item, (*path, key))
    return found


@st.composite
def summaries(draw: st.DrawFn, summary: Mapping[str, Any]) -> str:
    """The summary of a run, with other values, other keys, or as damaged text."""
    changed = json.loads(json.dumps(summary))
    for _ in range(draw(st.integers(1, 3))):
        places = _places(changed)
        depth = draw(st.sampled_from([1, 2, 9]))
        outer = [place for place in places if len(place) <= depth]
        *path, last = draw(st.sampled_from(outer))
        node = changed
        for key in path:
            node = node[key]
        kind = draw(st.integers(0, 3))
        if kind == 0:
            del node[last]
        elif kind == 1 and isinstance(node, dict):
            node[draw(st.one_of(st.text(max_size=5), st.just("a\nb")))] = node.pop(last)
        else:
            node[last] = draw(_JSON)
    text = json.dumps(changed)
    if draw(st.integers(0, 5)):
        return text
    place = draw(st.integers(0, len(text)))
    deep = st.sampled_from(["[" * 10**6, "{", "\x00", "NaN", "1e999", "9" * 5000, '{"a":' * 10**5])
    return text[:place] + draw(deep) + text[place + draw(st.integers(0, 9)) :]


_HEADERS = st.sampled_from(
    [
        (b"'<i4'", b"'<U4'"),
        (b"'<f4'", b"'<M8[s]'"),
        (b"'<f4'", b"'|O'"),
        (b"'<f4'", b"'<c8'"),
        (b"'<f4'", b"'|S0'"),
        (b"(", b"(-"),
        (b"(", b"(99999999"),
        (b"(", b"(9999999999999999999999"),
        (b"(", b"(1, "),
        (b"'step'", b"'pets'"),
        (b"False", b"True"),
        (b"descr", b"__import__('os')"),
        (b"\x93NUMPY", b"PK\x03\x04"),
    ]
)


@st.composite
def curves(draw: st.DrawFn, content: bytes) -> bytes:
    """The file of a curve with another header, cut off, or with other bytes."""
    kind = draw(st.integers(0, 3))
    if kind == 0:
        old, new = draw(_HEADERS)
        return content.replace(old, new, 1)
    if kind == 1:
        return content[: draw(st.integers(0, len(content)))]
    place = draw(st.integers(0, len(content)))
    if kind == 2:
        return content[:place] + draw(st.binary(max_size=20)) + content[place:]
    noise = draw(st.binary(max_size=20))
    return content[:place] + noise + content[place + len(noise) :]
