"""Data sets: explicit splits, published sums, and every way in which a file can be wrong."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from runner.data import MNIST, Dataset, Digits, FashionMNIST, idx
from runner.data.download import fetch
from runner.errors import DataError

NAMES = tuple(MNIST.md5)
RANDOM = np.random.default_rng(0)


def idx_bytes(array: np.ndarray, magic: int | None = None) -> bytes:
    magic = 0x800 + array.ndim if magic is None else magic
    return struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.tobytes()


def arrays(train: int = 30, test: int = 12) -> dict[str, np.ndarray]:
    return {
        NAMES[0]: RANDOM.integers(0, 256, (train, 28, 28)).astype(np.uint8),
        NAMES[1]: RANDOM.integers(0, 10, train).astype(np.uint8),
        NAMES[2]: RANDOM.integers(0, 256, (test, 28, 28)).astype(np.uint8),
        NAMES[3]: RANDOM.integers(0, 10, test).astype(np.uint8),
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small data set in MNIST's form, two files compressed and two not."""
    for index, (name, array) in enumerate(arrays().items()):
        data = idx_bytes(array)
        if index % 2:
            (tmp_path / name).write_bytes(data)
        else:
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(data))
    return tmp_path


def source(folder: Path, **numbers: int) -> MNIST:
    return MNIST(dir=str(folder), **{"validation_examples": 5, **numbers})


def rows(dataset: Dataset) -> list[tuple]:
    """Every example of every split, in a form that can be sorted and compared."""
    return sorted(
        (*image.ravel().tolist(), int(label))
        for split in dataset
        for image, label in zip(split.inputs, split.targets, strict=True)
    )


# --- digits -----------------------------------------------------------------------------------


def test_digits_are_those_of_scikit_learn_each_in_one_split() -> None:
    images, labels = load_digits(return_X_y=True)
    expected = sorted(
        (*map(int, image), int(label)) for image, label in zip(images, labels, strict=True)
    )
    assert rows(Digits().load()) == expected


def test_digits_splits_are_explicit_and_do_not_change() -> None:
    first, second = Digits().load(), Digits().load()
    assert [len(split.targets) for split in first] == list(Digits().sizes()) == [1437, 180, 180]
    np.testing.assert_array_equal(first.test.inputs, second.test.inputs)
    other = Digits(split_seed=1).load()
    assert (first.test.inputs != other.test.inputs).any()
    assert first.train.inputs.dtype == np.uint8
    assert first.train.inputs.shape == (1437, 8, 8, 1)
    assert first.train.inputs.max() == 16


def test_every_class_is_in_every_split() -> None:
    for split in Digits().load():
        assert set(split.targets.tolist()) == set(range(10))


def test_digits_that_leave_nothing_to_train_on() -> None:
    assert list(Digits(validation_examples=1000, test_examples=797).problems())
    assert not list(Digits(validation_examples=1000, test_examples=796).problems())


# --- files in MNIST's form --------------------------------------------------------------------


def test_compressed_and_raw_files_are_read(folder: Path) -> None:
    stored = {name: path for name in NAMES for path in folder.glob(f"{name}*")}
    images = idx.read(stored[NAMES[0]], 3)
    dataset = source(folder).load()
    assert source(folder).sizes() == (25, 5, 12)
    assert [len(split.targets) for split in dataset] == [25, 5, 12]
    np.testing.assert_array_equal(dataset.train.inputs[..., 0], images[:25])
    np.testing.assert_array_equal(dataset.validation.inputs[..., 0], images[25:], "the last ones")
    assert dataset.train.inputs.shape == (25, 28, 28, 1)
    assert dataset.train.targets.dtype == np.int32


def test_the_dotted_spelling_is_found_too(folder: Path) -> None:
    path = folder / f"{NAMES[0]}.gz"
    path.rename(folder / path.name.replace("-idx3", ".idx3"))
    assert len(source(folder).load().train.targets) == 25


def test_fewer_training_examples_on_request(folder: Path) -> None:
    dataset = source(folder, train_examples=7).load()
    assert [len(split.targets) for split in dataset] == [7, 5, 12]
    np.testing.assert_array_equal(dataset.train.inputs, source(folder).load().train.inputs[:7])


def test_sizes_that_the_files_do_not_hold(folder: Path) -> None:
    assert list(source(folder, validation_examples=30).problems())
    assert list(source(folder, train_examples=26).problems())
    assert not list(source(folder, train_examples=25).problems())


def test_absent_files_have_their_published_sizes(tmp_path: Path) -> None:
    assert MNIST(dir=str(tmp_path / "none")).sizes() == (55_000, 5_000, 10_000)


def test_where_files_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNNER_DATA_DIR", str(tmp_path))
    assert MNIST().directory() == tmp_path / "mnist"
    assert FashionMNIST().directory() == tmp_path / "fashion_mnist"
    assert MNIST(dir="/x").directory() == Path("/x")
    monkeypatch.delenv("RUNNER_DATA_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert MNIST().directory() == tmp_path / "cache" / "runner" / "data" / "mnist"


def damaged() -> Iterator[tuple[str, bytes, str]]:
    good = arrays()
    images, labels = idx_bytes(good[NAMES[0]]), idx_bytes(good[NAMES[1]])
    packed = gzip.compress(images)
    yield NAMES[0], b"", "ends within its header"
    yield NAMES[0], images[:10], "ends within its header"
    yield NAMES[0], images[:-1], r"says 23,520 bytes of data, but there are only 23,519"
    yield NAMES[0], images + b"x", "there are more"
    yield NAMES[0], idx_bytes(good[NAMES[0]], 0x801), "magic number 2049, expected 2051"
    yield NAMES[0], idx_bytes(good[NAMES[0]], 0xD03), "magic number"
    yield NAMES[0], b"PK\3\4" + bytes(100), "magic number"
    yield NAMES[0], packed[:-20], "compressed file is cut off"
    yield NAMES[0], packed[:300] + bytes(50) + packed[350:], "compressed file is damaged"
    yield NAMES[0], struct.pack(">4I", 0x803, 2**32 - 1, 28, 28), "more than any IDX file holds"
    yield NAMES[0], struct.pack(">4I", 0x803, 5_000_000, 28, 28), "but there are only 0"
    yield NAMES[0], idx_bytes(np.zeros((30, 27, 28), np.uint8)), "images of 27x28, expected 28x28"
    yield NAMES[1], idx_bytes(np.zeros(29, np.uint8)), "29 labels for the 30 images"
    yield NAMES[1], idx_bytes(np.full(30, 10, np.uint8)), "a label of 10, expected 0 to 9"
    yield NAMES[1], labels.replace(labels[:4], struct.pack(">I", 0x803), 1), "magic number 2051"


@pytest.mark.parametrize(("name", "content", "words"), list(damaged()))
def test_damaged_files_are_refused(folder: Path, name: str, content: bytes, words: str) -> None:
    for spelling in (name, f"{name}.gz"):
        (folder / spelling).unlink(missing_ok=True)
    path = folder / (f"{name}.gz" if content[:2] == b"\x1f\x8b" else name)
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        source(folder).load()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


# --- the real files ---------------------------------------------------------------------------

PUBLISHED = {
    "mnist": [
        "6bbc9ace898e44ae57da46a324031adb",
        "a25bea736e30d166cdddb491f175f624",
        "2646ac647ad5339dbf082846283269ea",
        "27ae3e4e09519cfbb04c329615203637",
    ],
    "fashion_mnist": [
        "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "9018921c3c673c538a1fc5bad174d6f9",
        "8181f5470baa50b63fa0f6fddb340f0a",
        "15d484375f8d13e6eb1aabb0c3f46965",
    ],
}


@pytest.mark.parametrize("cls", [MNIST, FashionMNIST])
def test_the_published_files(cls: type[MNIST], data_directory: Path) -> None:
    if not (data_directory / cls.folder).is_dir():
        pytest.skip(f"needs {cls.folder} in RUNNER_DATA_DIR")
    dataset = cls(dir=str(data_directory / cls.folder)).load()
    train, validation, test = dataset
    contents = [
        idx_bytes(np.concatenate([train.inputs, validation.inputs])[..., 0]),
        idx_bytes(np.concatenate([train.targets, validation.targets]).astype(np.uint8)),
        idx_bytes(test.inputs[..., 0]),
        idx_bytes(test.targets.astype(np.uint8)),
    ]
    assert [hashlib.md5(content).hexdigest() for content in contents] == PUBLISHED[cls.folder]


# --- fetching ---------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder served on the loopback interface, and its address."""
    served = tmp_path / "served"
    served.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    handler = functools.partial(Quiet, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield served, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_absent_files_are_fetched_once(
    site: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, url = site
    sums = {}
    for name, array in arrays().items():
        content = gzip.compress(idx_bytes(array))
        (served / f"{name}.gz").write_bytes(content)
        sums[name] = hashlib.md5(content).hexdigest()
    monkeypatch.setattr(MNIST, "md5", sums)
    monkeypatch.setattr(MNIST, "url", url)
    target = tmp_path / "new"
    assert len(source(target).load().train.targets) == 25
    for file in served.iterdir():
        file.unlink()
    assert len(source(target).load().train.targets) == 25, "now from the folder"


def test_a_download_that_is_not_the_published_file_is_not_kept(
    site: tuple[Path, str], tmp_path: Path
) -> None:
    served, url = site
    (served / "a.gz").write_bytes(b"something else")
    with pytest.raises(DataError, match="checksum differs"):
        fetch({"a.gz": f"md5:{'0' * 32}"}, url, tmp_path / "new", "A")
    assert not [path for path in (tmp_path / "new").iterdir() if path.name == "a.gz"]


@pytest.mark.parametrize("kind", ["refused", "missing"])
def test_without_the_files_and_the_network_it_says_what_to_do(
    kind: str, site: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MNIST, "url", "http://127.0.0.1:9/" if kind == "refused" else site[1])
    with pytest.raises(DataError) as caught:
        source(tmp_path / "new").load()
    message = str(caught.value)
    assert "\n" not in message
    assert all(f"{name}.gz" in message for name in NAMES)
    assert str(tmp_path / "new") in message
    assert "RUNNER_DATA_DIR" in message


def test_a_folder_that_cannot_be_made(site: tuple[Path, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be stored"):
        fetch({"a.gz": f"md5:{'0' * 32}"}, site[1], tmp_path / "file" / "x", "A")
