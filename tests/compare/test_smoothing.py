"""Smoothing of drawn curves against a plain formula, and what must not be smoothed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_compare import EXAMPLES, leave, run_of

from runner.compare.curve import Curve
from runner.compare.smoothing import is_noisy, smoothed_curve, window_means


def mean_of_nearest(place: np.ndarray, y: np.ndarray, width: float, center: float) -> float:
    """The formula of `window_means` as a sum over a fine grid."""
    reach = min(width / 2, center - place[0], place[-1] - center)
    cells = 20_000
    grid = center - reach + 2 * reach * (np.arange(cells) + 0.5) / cells
    return float(np.mean([y[np.abs(place - at).argmin()] for at in grid]))


@pytest.mark.parametrize("scale", [lambda x: x, lambda x: np.log10(1 + x)])
def test_a_window_is_equally_wide_everywhere_on_the_axis(scale: object) -> None:
    place = scale(np.arange(60.0))  # type: ignore[operator]
    y = np.random.default_rng(0).normal(size=60)
    width = 0.15 * place[-1]
    at = np.array([0, 1, 3, 20, 45, 58, 59])
    expected = [mean_of_nearest(place, y, width, place[i]) for i in at]
    np.testing.assert_allclose(window_means(place, y, width, at), expected, atol=2e-3)


def noisy_descent(steps: int = 230, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """A straight descent with noise, like the loss of batches of 64 over ten epochs."""
    x = np.arange(float(steps))
    return x, 2.4 - 1.6 * x / steps + noise * np.random.default_rng(1).normal(size=steps)


def test_a_falling_curve_is_not_drawn_above_its_local_mean() -> None:
    """On a logarithmic axis a window in points lags behind: 1.12 was drawn where 0.94 is right."""
    x = np.arange(1.0, 20_001)
    place, y = np.log10(x), 2.4 / (1 + x / 300)
    line = smoothed_curve(Curve(x, y, None), place, 0.05 * (place[-1] - place[0]))
    np.testing.assert_allclose(line.y, 2.4 / (1 + line.x / 300), rtol=0.01)


def test_a_straight_line_stays_straight_up_to_both_ends() -> None:
    """A window that shrinks on one side only bends it, with a kink where it stops shrinking."""
    x, _ = noisy_descent()
    y = 2.4 - 1.6 * x / 230
    line = smoothed_curve(Curve(x, y, None), x, 0.2 * x[-1])
    np.testing.assert_allclose(line.y, 2.4 - 1.6 * line.x / 230, rtol=1e-12)
    assert line.x[0] <= 10
    assert line.x[-1] >= x[-1] * (1 - 0.2 / 6) - 1


def test_noise_is_averaged_up_to_the_end_of_the_curve() -> None:
    x, y = noisy_descent(20_000, noise=1.0)
    line = smoothed_curve(Curve(x, y, None), x, 0.05 * x[-1])
    error = line.y - (2.4 - 1.6 * line.x / 20_000)
    assert np.abs(error[line.x > 1_000]).max() < 4 / np.sqrt(1_000 / 3)


def test_without_a_window_nothing_is_smoothed() -> None:
    x, y = noisy_descent()
    line = smoothed_curve(Curve(x, y, None), x, 0.0)
    np.testing.assert_array_equal(line.y, y)


@pytest.mark.parametrize(
    ("measure", "config", "noisy"),
    [
        ("train_loss", {"batch_size": {"name": "mini", "size": 16}}, True),
        ("gradient_norm", {"batch_size": {"name": "mini", "size": 16}}, True),
        ("learning_rate", {"batch_size": {"name": "mini", "size": 16}}, False),
        ("validation_loss", {"batch_size": {"name": "mini", "size": 16}}, False),
        ("train_loss", {"batch_size": {"name": "full"}}, False),
        ("train_loss", {"batch_size": {"name": "mini", "size": EXAMPLES}}, False),
        ("train_loss", {"batch_size": {"name": "full"}, "sampling": {"name": "replacement"}}, True),
        (
            "train_loss",
            {"batch_size": {"name": "full"}, "regularization": {"dropout": {"name": "dropout"}}},
            True,
        ),
        (
            "train_loss",
            {
                "batch_size": {"name": "full"},
                "gradient": {name: {"name": name} for name in ("clip_norm", "noise")},
            },
            True,
        ),
        ("train_loss", {"data": {"name": "ravine"}, "gradient": {"none": {"name": "none"}}}, False),
        (
            "train_loss",
            {"data": {"name": "ravine"}, "gradient": {"noise": {"name": "noise"}}},
            True,
        ),
    ],
)
def test_what_has_no_noise_is_not_smoothed(
    measure: str, config: dict, noisy: bool, tmp_path: Path
) -> None:
    assert is_noisy(run_of(leave(tmp_path / "run", [2.0] * 20, **config)), measure) == noisy
