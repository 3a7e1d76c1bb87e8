"""Fetching data sets over HTTP, for real but on this machine: once, whole, or with advice."""

from __future__ import annotations

import errno
import functools
import gzip
import hashlib
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pooch
import pytest
from test_data import NAMES, arrays, idx_bytes, source

from runner.data import MNIST
from runner.data.download import CONNECT_SECONDS, fetch
from runner.errors import DataError

WRONG_SUM = f"md5:{'0' * 32}"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder served on the loopback interface, and its address."""
    served = tmp_path / "served"
    served.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def send_header(self, keyword: str, value: str) -> None:
            if keyword == "Content-Length" and "cut" in self.path:
                value = str(2 * int(value))  # so the connection closes half way
            super().send_header(keyword, value)

    handler = functools.partial(Quiet, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield served, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def published(site: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small MNIST, published on the site: the folder that is served."""
    served, url = site
    sums = {}
    for name, array in arrays().items():
        content = gzip.compress(idx_bytes(array))
        (served / f"{name}.gz").write_bytes(content)
        sums[name] = hashlib.md5(content).hexdigest()
    monkeypatch.setattr(MNIST, "md5", sums)
    monkeypatch.setattr(MNIST, "url", url)
    return served


def test_absent_files_are_fetched_once(published: Path, tmp_path: Path) -> None:
    target = tmp_path / "new"
    assert len(source(target).load().train.targets) == 25
    assert sorted(path.name for path in target.iterdir()) == sorted(f"{n}.gz" for n in NAMES)
    for file in published.iterdir():
        file.unlink()
    assert len(source(target).load().train.targets) == 25, "now from the folder"


def test_only_the_absent_files_are_fetched(published: Path, tmp_path: Path) -> None:
    target = tmp_path / "half"
    target.mkdir()
    own, absent = NAMES[:2], NAMES[2:]
    for name in own:
        (published / f"{name}.gz").rename(target / f"{name}.gz")
    assert len(source(target).load().test.targets) == 12

    (target / f"{absent[1]}.gz").unlink()
    (published / f"{absent[1]}.gz").unlink()
    with pytest.raises(DataError) as caught:
        source(target).load()
    assert f"put {absent[1]}.gz from" in str(caught.value), "and that file alone"


def test_advice_leaves_out_what_has_been_fetched(published: Path, tmp_path: Path) -> None:
    (published / f"{NAMES[1]}.gz").unlink()
    with pytest.raises(DataError, match="HTTP 404") as caught:
        source(tmp_path / "new").load()
    assert f"{NAMES[0]}.gz" not in str(caught.value)
    assert all(f"{name}.gz" in str(caught.value) for name in NAMES[1:])
    assert [path.name for path in (tmp_path / "new").iterdir()] == [f"{NAMES[0]}.gz"]


def test_a_download_that_is_not_the_published_file_is_not_kept(
    site: tuple[Path, str], tmp_path: Path
) -> None:
    served, url = site
    (served / "a.gz").write_bytes(b"something else")
    with pytest.raises(DataError, match=f"not the published file .{WRONG_SUM}.") as caught:
        fetch({"a.gz": WRONG_SUM}, url, tmp_path / "new", "A")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_a_download_that_is_cut_off_is_not_kept(site: tuple[Path, str], tmp_path: Path) -> None:
    served, url = site
    (served / "cut.gz").write_bytes(bytes(1000))
    right = f"md5:{hashlib.md5(bytes(1000)).hexdigest()}"
    with pytest.raises(DataError, match="cannot be downloaded"):
        fetch({"cut.gz": right}, url, tmp_path / "new", "A")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("kind", ["refused", "missing"])
def test_without_the_files_and_the_network_it_says_what_to_do(
    kind: str, site: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MNIST, "url", "http://127.0.0.1:9/" if kind == "refused" else site[1])
    started = time.monotonic()
    with pytest.raises(DataError) as caught:
        source(tmp_path / "new").load()
    assert time.monotonic() - started < CONNECT_SECONDS, "it does not try again and again"
    message = str(caught.value)
    assert "\n" not in message
    assert all(f"{name}.gz" in message for name in NAMES)
    assert str(tmp_path / "new") in message
    assert "data.dir" in message
    assert "RUNNER_DATA_DIR" in message


@pytest.mark.parametrize("folder", ["file", "file/x", "a\0b"])
def test_a_folder_that_cannot_be_made(folder: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="no folder can be made there"):
        fetch({"a.gz": WRONG_SUM}, "http://127.0.0.1:9/", tmp_path / folder, "A")


def _forbidden(*_: object, **__: object) -> None:
    """What pooch does in a folder that may not be written."""
    try:
        raise PermissionError(errno.EACCES, "Permission denied", "/data/tmp0")
    except PermissionError as error:
        raise PermissionError(f"{error} | Pooch could not write to data cache folder") from error


def _full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("retrieve", "words"),
    [
        (_forbidden, "a.gz: cannot be stored: Permission denied; set data.dir or RUNNER_DATA_DIR"),
        (_full, "a.gz: cannot be stored: No space left on device; set data.dir"),
    ],
)
def test_a_folder_that_takes_no_files(
    retrieve: Callable[..., None], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooch, "retrieve", retrieve)
    with pytest.raises(DataError, match=words):
        fetch({"a.gz": WRONG_SUM}, "http://127.0.0.1:9/", tmp_path, "A")
