"""Data sets: explicit splits, published sums, and every way in which a file can be wrong."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from runner.data import MNIST, Dataset, Digits, FashionMNIST, idx
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


def test_sizes_and_problems_need_neither_jax_nor_numpy(folder: Path) -> None:
    code = f"""
import sys
from runner.data import MNIST, Digits
for source in (Digits(), MNIST(dir={str(folder)!r}, validation_examples=5)):
    print(*source.sizes(), *source.problems())
print({{"jax", "numpy", "pooch"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["1437 180 180", "25 5 12", "set()"]


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


def test_the_split_of_digits_is_the_same_on_every_machine() -> None:
    """Results are compared across machines and versions: a change here invalidates them."""
    labels = np.concatenate([split.targets for split in Digits().load()]).astype(np.uint8)
    assert hashlib.sha256(labels.tobytes()).hexdigest().startswith("0f9ffd7948cafb39")


def test_every_class_is_in_every_split() -> None:
    for split in Digits().load():
        assert set(split.targets.tolist()) == set(range(10))


def test_digits_that_leave_nothing_to_train_on() -> None:
    assert list(Digits(validation_examples=1000, test_examples=797).problems())
    assert not list(Digits(validation_examples=1000, test_examples=796).problems())


def test_seeds_that_numpy_does_not_take_are_refused() -> None:
    assert [field for field, _ in Digits(split_seed=2**32).problems()] == ["split_seed"]
    assert not list(Digits(split_seed=2**32 - 1).problems())
    Digits(split_seed=2**32 - 1).load()


# --- files in MNIST's form --------------------------------------------------------------------


def test_compressed_and_raw_files_are_read(folder: Path) -> None:
    stored = {name: path for name in NAMES for path in folder.glob(f"{name}*")}
    images, labels = idx.read(stored[NAMES[0]], 3), idx.read(stored[NAMES[1]], 1)
    dataset = source(folder).load()
    assert source(folder).sizes() == (25, 5, 12)
    assert [len(split.targets) for split in dataset] == [25, 5, 12]
    np.testing.assert_array_equal(dataset.train.inputs[..., 0], images[:25])
    np.testing.assert_array_equal(dataset.validation.inputs[..., 0], images[25:], "the last ones")
    np.testing.assert_array_equal(dataset.train.targets, labels[:25])
    np.testing.assert_array_equal(dataset.validation.targets, labels[25:])
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


def test_what_is_held_out_is_never_trained_on(folder: Path) -> None:
    greedy = source(folder, train_examples=29)
    assert len(greedy.load().train.targets) == greedy.sizes().train == 25


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


def test_folders_that_cannot_be_looked_into() -> None:
    with pytest.raises(DataError, match="no such home directory"):
        MNIST(dir="~no-such-user/mnist").sizes()
    assert [field for field, _ in MNIST(dir="").problems()] == ["dir"]


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="is_file no longer raises")
def test_a_name_that_is_too_long() -> None:
    with pytest.raises(DataError, match="cannot be read: File name too long"):
        MNIST(dir="a" * 300).sizes()


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to root"
)
def test_a_file_that_may_not_be_read(folder: Path) -> None:
    path = folder / f"{NAMES[0]}.gz"
    path.chmod(0)
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        source(folder).sizes()


def damaged() -> Iterator[tuple[str, bytes, str]]:
    good = arrays()
    images, labels = idx_bytes(good[NAMES[0]]), idx_bytes(good[NAMES[1]])
    packed = gzip.compress(images, mtime=0)
    yield NAMES[0], b"", r"ends within its header \(0 of 16 bytes\)"
    yield NAMES[0], images[:10], r"ends within its header \(10 of 16 bytes\)"
    yield NAMES[0], gzip.compress(b""), r"ends within its header \(0 of 16 bytes\)"
    yield NAMES[0], images[:-1], r"says 23,520 bytes of data, but there are only 23,519"
    yield NAMES[0], images + b"x", "there are more"
    yield NAMES[0], idx_bytes(good[NAMES[0]], 0x801), "magic number 2049, expected 2051"
    yield NAMES[0], idx_bytes(good[NAMES[0]], 0xD03), "magic number"
    yield NAMES[0], b"PK\3\4" + bytes(100), "magic number"
    yield NAMES[0], packed[:-20], "compressed file is cut off"
    yield NAMES[0], packed[:300] + bytes(50) + packed[350:], "compressed file is damaged"
    yield NAMES[0], struct.pack(">4I", 0x803, 2**32 - 1, 28, 28), "more than any IDX file holds"
    yield NAMES[0], struct.pack(">4I", 0x803, 5_000_000, 28, 28), "but there are only 0"
    yield NAMES[0], struct.pack(">4I", 0x803, 0, 2**32 - 1, 2**32 - 1), "more than any IDX file"
    yield NAMES[0], packed + b"junk", "compressed file is damaged"
    yield NAMES[0], packed[:-8] + bytes(4) + packed[-4:], "compressed file is damaged: CRC"
    yield NAMES[0], idx_bytes(np.zeros((30, 27, 28), np.uint8)), "images of 27x28, expected 28x28"
    yield NAMES[1], idx_bytes(np.zeros(29, np.uint8)), "29 labels for the 30 images"
    yield NAMES[1], idx_bytes(np.full(30, 10, np.uint8)), "a label of 10, expected 0 to 9"
    yield NAMES[1], labels.replace(labels[:4], struct.pack(">I", 0x803), 1), "magic number 2051"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    list(damaged()),
    # Not the bytes: gzip's hold the time, and parallel workers must agree on the names of tests.
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else value,
)
def test_damaged_files_are_refused(folder: Path, name: str, content: bytes, words: str) -> None:
    for spelling in (name, f"{name}.gz"):
        (folder / spelling).unlink(missing_ok=True)
    path = folder / (f"{name}.gz" if content[:2] == b"\x1f\x8b" else name)
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        source(folder).load()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_without_images_are_refused(folder: Path) -> None:
    for name, header in zip(NAMES, ((0x803, 0, 28, 28), (0x801, 0)), strict=False):
        (folder / name).write_bytes(struct.pack(f">{len(header)}I", *header))
    with pytest.raises(DataError, match="there is no image in it"):
        source(folder).load()


def test_nothing_is_allocated_on_the_word_of_a_header(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.write_bytes(struct.pack(">4I", 0x803, 5_000_000, 28, 28) + bytes(1000))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="only 1,000"):
            idx.read(path, 3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 26, "3.9 GB were promised"


def test_a_header_is_read_without_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.write_bytes(struct.pack(">4I", 0x803, 7, 28, 28))
    assert idx.read_shape(path, 3) == (7, 28, 28)


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
