"""Files that anyone may have written: read within bounds, or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runner.record import foreign
from runner.record.curves import CurveFile, read_curve
from runner.record.foreign import check_size_of_yaml, read_json, read_text, read_yaml
from runner.record.summary import read_summary


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000_000,
        '{"a":' * 100 + "1" + "}" * 100,
        f'{{"a": 1{"0" * 400}}}',
        '{"a": 9223372036854775808}',
        '{"a": 1e400}',
        '{"a": NaN}',
        '{"a": -Infinity}',
        "",
        "\x00",
    ],
)
def test_what_is_too_much_is_no_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "summary.json").write_text(text)
    with pytest.raises(ValueError, match=r"."):
        read_json(tmp_path / "summary.json")
    assert read_summary(tmp_path) == {}


def test_json_is_read_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"a": [1, -9223372036854775807, 1.5e300, null, "\\ud800"], "b": {"c": true}}')
    content: Any = {"a": [1, -(2**63) + 1, 1.5e300, None, "\ud800"], "b": {"c": True}}
    assert read_json(file) == content


def test_a_pipe_a_device_and_a_large_file_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("pipe", "device", "loop", "missing", "."):
        with pytest.raises(OSError, match=r"."):
            read_text(tmp_path / name)
        with pytest.raises(OSError, match=r"."):
            read_curve(tmp_path / name)
    monkeypatch.setattr(foreign, "MOST_BYTES", 10)
    (tmp_path / "large").write_text("x" * 11)
    with pytest.raises(ValueError, match="more than 10 bytes"):
        read_text(tmp_path / "large")


def test_yaml_is_measured_with_its_aliases_written_out(tmp_path: Path) -> None:
    check_size_of_yaml("a: &a [1, 2]\nb: [*a, *a]\n")
    doubled = "a0: &a0 [1, 1]\n" + "".join(
        f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(20)
    )
    for text in (doubled, "a: &a [*a]\n", "[" * 100):
        with pytest.raises(ValueError, match="more than"):
            check_size_of_yaml(text)
    (tmp_path / "a.yaml").write_text("a: !!python/name:os.system\n")
    with pytest.raises(ValueError, match="could not determine a constructor"):
        read_yaml(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"(3,)", b"(-3,)"),
        (b"(3,)", b"(3, 1)"),
        (b"(3,)", b"(3"),
        (b"(3,)", b"(10**9,)"),
        (b"'<i4'", b"'|O'"),
        (b"'<i4'", b"'|S0'"),
        (b"\x93NUMPY", b"\x94NUMPY"),
    ],
)
def test_a_damaged_header_is_no_curve(tmp_path: Path, old: bytes, new: bytes) -> None:
    file = tmp_path / "steps.npy"
    rows = np.ones(3, [("step", "<i4")])
    CurveFile(file, rows.dtype).append(rows)
    assert read_curve(file).tolist() == rows.tolist()
    content = file.read_bytes()
    assert old in content
    padded = new.ljust(len(old)) if len(new) <= len(old) else new
    file.write_bytes(
        content.replace(old, padded, 1).replace(b" " * (len(padded) - len(old)), b"", 1)
    )
    with pytest.raises(ValueError, match=r"."):
        read_curve(file)
