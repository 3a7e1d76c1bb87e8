"""Files are replaced as a whole, and never through a link."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.whole_files import new_file, replace_text, replacing, write_all


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("kept")
    file = tmp_path / "sweep.csv"
    file.symlink_to(secret)
    replace_text(file, "ours", durably=True)
    assert (secret.read_text(), file.read_text(), file.is_symlink()) == ("kept", "ours", False)


def test_a_new_file_is_no_other_that_has_its_name(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("kept")
    file = tmp_path / "steps.npy"
    file.symlink_to(secret)
    for content in (b"ours", b"ours again"):
        with new_file(file) as stream:
            write_all(stream, content)
        assert (secret.read_text(), file.read_bytes()) == ("kept", content)


def test_after_an_error_the_old_content_is_there_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "sweep.csv"
    file.write_text("old")
    with pytest.raises(OSError, match="No space"), replacing(file) as temporary:  # noqa: PT012
        temporary.write_text("ne")
        raise OSError(28, "No space left on device")
    assert [entry.read_text() for entry in tmp_path.iterdir()] == ["old"]
