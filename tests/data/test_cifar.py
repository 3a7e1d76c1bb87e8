"""CIFAR-10 from tiny archives of its format: what is read, fetched and refused."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from runner.data import CIFAR10, cifar
from runner.errors import DataError

NAMES = (*(f"data_batch_{part}.bin" for part in range(1, 6)), "test_batch.bin")
EACH = 4
RANDOM = np.random.default_rng(3)
PIXELS = RANDOM.integers(0, 256, (6, EACH, 32, 32, 3)).astype(np.uint8)
LABELS = RANDOM.integers(0, 10, (6, EACH)).astype(np.uint8)


def records(pixels: np.ndarray, labels: np.ndarray) -> bytes:
    """The bytes as the page of the set describes them: label, then planes of red, green, blue."""
    found = b""
    for image, label in zip(pixels, labels, strict=True):
        planes = [image[:, :, channel].tobytes() for channel in range(3)]
        found += bytes([label]) + b"".join(planes)
    return found


def contents() -> dict[str, bytes]:
    return {name: records(PIXELS[i], LABELS[i]) for i, name in enumerate(NAMES)}


def archive(folder: Path, files: Mapping[str, bytes]) -> Path:
    """The archive with the members of the published one: a folder with the files and two others."""
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / cifar.ARCHIVE, "w:gz") as written:
        inside = tarfile.TarInfo("cifar-10-batches-bin")
        inside.type = tarfile.DIRTYPE
        written.addfile(inside)
        others = {"batches.meta.txt": b"airplane\n", "readme.html": b"<html>"}
        for name, data in sorted({**others, **files}.items(), reverse=True):  # in no order
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(data)
            written.addfile(member, io.BytesIO(data))
    return folder


def source(folder: Path, **numbers: int) -> CIFAR10:
    return CIFAR10(dir=str(folder), **{"validation_examples": 5, **numbers})


@pytest.mark.parametrize("kind", ["archive", "files", "files in their folder"])
def test_images_and_labels_are_those_of_the_files(tmp_path: Path, kind: str) -> None:
    if kind == "archive":
        archive(tmp_path, contents())
    else:
        folder = tmp_path if kind == "files" else tmp_path / "cifar-10-batches-bin"
        folder.mkdir(exist_ok=True)
        for name, data in contents().items():
            (folder / name).write_bytes(data)
    chosen = source(tmp_path)
    assert chosen.absent() == []
    assert tuple(chosen.sizes()) == (15, 5, 4)
    train, validation, test = chosen.load()
    np.testing.assert_array_equal(
        np.concatenate([train.inputs, validation.inputs]), PIXELS[:5].reshape(-1, 32, 32, 3)
    )
    np.testing.assert_array_equal(
        np.concatenate([train.targets, validation.targets]), LABELS[:5].ravel()
    )
    np.testing.assert_array_equal(test.inputs, PIXELS[5])
    np.testing.assert_array_equal(test.targets, LABELS[5])
    assert (train.inputs.dtype, train.targets.dtype) == (np.uint8, np.int32)
    few = source(tmp_path, train_examples=6)
    np.testing.assert_array_equal(few.load().train.inputs, train.inputs[:6])
    assert few.sizes().train == 6
    assert not list(few.problems())
    assert [field for field, _ in source(tmp_path, train_examples=16).problems()] == [
        "train_examples"
    ]


def test_without_files_the_sizes_are_the_published_ones(tmp_path: Path) -> None:
    assert tuple(source(tmp_path).sizes()) == (49_995, 5, 10_000)
    assert source(tmp_path).absent() == [str(tmp_path / "cifar-10-binary.tar.gz")]


def test_the_archive_is_fetched_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = archive(tmp_path / "served", contents()) / cifar.ARCHIVE

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    handler = partial(Quiet, directory=str(served.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{server.server_port}/")
        with pytest.raises(DataError, match="not the published file"):
            source(tmp_path / "new").load()
        monkeypatch.setattr(CIFAR10, "sha256", hashlib.sha256(served.read_bytes()).hexdigest())
        assert len(source(tmp_path / "new").load().test.targets) == EACH
        server.shutdown()


def changed(name: str, data: bytes | None) -> dict[str, bytes]:
    files = contents() | {name: data or b""}
    return files if data is not None else {n: d for n, d in files.items() if n != name}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (changed(NAMES[2], None), "has no data_batch_3.bin; download it again"),
        (changed(NAMES[1], b"x" * 3072), "data_batch_2.bin has 3,072 bytes, which are no whole"),
        (changed(NAMES[5], bytes([10]) + bytes(3072)), "test_batch.bin has a label of 10"),
    ],
)
def test_what_is_wrong_with_an_archive_is_said(
    tmp_path: Path, files: Mapping[str, bytes], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        source(archive(tmp_path, files)).load()


def test_a_damaged_archive_is_refused_in_one_line(tmp_path: Path) -> None:
    file = archive(tmp_path, contents()) / cifar.ARCHIVE
    whole = file.read_bytes()
    for data in (b"", b"no archive", whole[:400], gzip.compress(b"no archive")):
        file.write_bytes(data)
        for read in (source(tmp_path).sizes, source(tmp_path).load):
            with pytest.raises(DataError, match=r"damaged|cannot be read|has no data_batch"):
                read()
