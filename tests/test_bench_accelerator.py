"""What `make bench-accelerator` does beside measuring; test_make.py measures in small."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.accelerator import lanes, training, wheels
from tests.bench.accelerator.device import gigaflop, peak
from tests.bench.accelerator.page import page
from tests.bench.accelerator.result import WHOLE, Result
from tests.bench.workloads import WORKLOADS


@pytest.mark.parametrize(
    ("device", "float32", "bfloat16"),
    [
        ("NVIDIA H100 80GB HBM3", 494.7, 989.4),
        ("NVIDIA H100 PCIe", 378.0, 756.0),
        ("NVIDIA A100-SXM4-80GB", 156.0, 312.0),
        ("NVIDIA L4", 60.0, 121.0),
        ("Tesla T4", 8.1, None),
        ("NVIDIA L40", None, None),
        ("NVIDIA RTX A1000", None, None),
        ("cpu", None, None),
    ],
)
def test_a_peak_is_that_of_the_device(
    device: str, float32: float | None, bfloat16: float | None
) -> None:
    assert (peak(device, "float32"), peak(device, "bfloat16")) == (float32, bfloat16)


def test_the_products_of_a_step_are_counted() -> None:
    """784-64-10 at batch 32: two products with the first kernel and three with the second."""
    expected = 2 * 32 * (2 * 784 * 64 + 3 * 64 * 10)
    assert gigaflop(WORKLOADS["784-64-10, batch 32"]) == pytest.approx(expected / 1e9)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "there is no wheel"),
        ({"a-1-cp312-cp312-linux_x86_64.whl": 1}, "not pure Python: a-1-cp312"),
        ({"a-1-py3-none-any.whl": 11 * 2**20, "b-1-py3-none-any.whl": 10 * 2**20}, "21 MiB"),
    ],
)
def test_wheels_that_cannot_be_used_are_refused(
    tmp_path: Path, files: dict[str, int], message: str
) -> None:
    for name, size in files.items():
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    with pytest.raises(wheels.UnusableError, match=message):
        wheels.use(tmp_path)


@pytest.mark.parametrize(("seconds", "verdict"), [(29.0, "2.9 times, met"), (31.0, "**missed**")])
def test_the_page_judges_the_lanes_and_says_what_is_missing(seconds: float, verdict: str) -> None:
    table, name = "lanes: 784-64-10, batch 32", "784-64-10, batch 32"
    text = page(
        [
            Result(table, "1", lanes.TIME, 10.0),
            Result(table, "256", lanes.TIME, seconds),
            Result(table, "1", lanes.PEAK, 100.0),
            Result(table, "256", lanes.PEAK, 355.0),
            Result(training.TABLE, training.RUNNER, name, 20.0),
            Result(training.TABLE, training.BARE, name, 10.0),
            Result("convolution", "native", "in a loop", None, "out of memory"),
        ],
        "NVIDIA A100-SXM4-80GB",
        "A100",
        WHOLE,
    )
    assert verdict in text
    assert "| 355 | 1 |" in text, "(355 - 100) MiB / 255 lanes"
    assert "10 (0.5x)" in text
    assert "0.327 (0.2% of 156)" in text, "0.00655 GFLOP in 20 us"
    assert "- convolution / native / in a loop: out of memory" in text
