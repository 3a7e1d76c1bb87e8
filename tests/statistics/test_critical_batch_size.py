"""Steps to a target against the size of the batch: the fit, and the figure of known runs."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from test_compare import EXAMPLES, leave

import runner
from runner.compare.cli import run_command_line
from runner.compare.figures.critical_batch_size import critical_batch_size_figure
from runner.compare.figures.numbers import points_of
from runner.compare.runs import find
from runner.compare.view import View
from runner.errors import ConfigError
from runner.statistics.critical_batch_size import fit

SIZES = [1, 4, 16, 64, 256, 1024]


def law(size: np.ndarray, least: float, critical: float) -> np.ndarray:
    return least * (1 + critical / np.asarray(size, float))


def test_known_constants_are_found() -> None:
    found = fit(SIZES, law(SIZES, 40, 56))
    assert found is not None
    assert found.is_conclusive
    assert (found.least_steps, found.critical) == pytest.approx((40, 56), rel=1e-3)
    # The trade of steps and examples that the law expresses.
    steps, examples = law(SIZES, 40, 56), SIZES * law(SIZES, 40, 56)
    np.testing.assert_allclose((steps / 40 - 1) * (examples / (40 * 56) - 1), 1)


@pytest.mark.parametrize("seed", range(3))
def test_noisy_steps_are_fitted_as_by_scipy(seed: int) -> None:
    """Least squares in logarithms; and the interval where the F test of B_crit alone turns."""
    noise = np.random.default_rng(seed).normal(0, 0.1, len(SIZES))
    steps = law(SIZES, 40, 56) * np.exp(noise)
    found = fit(SIZES, steps)
    assert found is not None

    def log_law(size: np.ndarray, least: float, critical: float) -> np.ndarray:
        return np.log(least) + np.log1p(critical / size)

    (least, critical), _ = scipy.optimize.curve_fit(log_law, SIZES, np.log(steps), p0=(30, 30))
    assert (found.least_steps, found.critical) == pytest.approx((least, critical), rel=2e-3)
    best = ((log_law(np.array(SIZES), least, critical) - np.log(steps)) ** 2).sum()
    for end in (found.low, found.high):
        (height,), _ = scipy.optimize.curve_fit(
            lambda size, least, end=end: log_law(size, least, end), SIZES, np.log(steps), p0=(30,)
        )
        squares = ((log_law(np.array(SIZES), height, end) - np.log(steps)) ** 2).sum()
        ratio = (squares - best) / (best / (len(SIZES) - 2))
        assert scipy.stats.f.sf(ratio, 1, len(SIZES) - 2) == pytest.approx(0.05, abs=2e-3)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([1000 / size for size in SIZES], "no critical batch size up to 1024"),
        ([50] * 6, "critical batch size below 1"),
        ([900, 31, 700, 45, 800, 30], "not determined"),
    ],
)
def test_a_fit_that_means_nothing_says_so(steps: list[float], words: str) -> None:
    found = fit(SIZES, steps)
    assert found is not None
    assert not found.is_conclusive
    assert words in found.verdict


def test_three_sizes_are_too_few() -> None:
    assert fit(SIZES[:3], law(SIZES[:3], 40, 56)) is None


# --- the figure ---------------------------------------------------------------------------------


def falls(at: int, length: int = 40) -> np.ndarray:
    """A loss that reaches 1 at one step."""
    return np.where(np.arange(length) < at, 2.0, 1.0)


def leave_sizes(folder: Path, times: dict[int | str, int]) -> None:
    """Runs that reach the loss 1 after a number of steps, `times` by size; also at a worse rate."""
    for size, at in times.items():
        name = {"name": size} if isinstance(size, str) else {"name": "mini", "size": size}
        for rate, later in ((0.1, 0), (0.01, 3)):
            leave(
                folder / f"{size}_{rate}",
                falls(at + later),
                batch_size=name,
                optimizer={"name": "sgd", "learning_rate": rate},
            )


VIEW = View("critical_batch_size", "train_loss", tune=("optimizer.learning_rate",), target=1.0)


def test_the_figure_shows_each_size_at_its_best_rate(tmp_path: Path) -> None:
    """Full batches have all examples of the runs; one size never reaches the target."""
    leave_sizes(tmp_path, {"stochastic": 30, 2: 17, 8: 7, 20: 100, "full": 4})
    figure = VIEW.draw(VIEW.groups(find([tmp_path]).runs))
    (panel,) = figure.axes
    drawn = {str(line.get_label()): line for line in panel.get_lines()}
    medians = drawn["measured (median)"]
    assert medians.get_xdata().tolist() == [1, 2, 8, EXAMPLES]
    assert medians.get_ydata().tolist() == [30, 17, 7, 4]
    assert drawn["not reached"].get_xdata().tolist() == [20]
    (verdict,) = [label for label in drawn if label.startswith("critical batch size")]
    expected = fit([1, 2, 8, EXAMPLES], [30, 17, 7, 4])
    assert expected is not None
    assert verdict == expected.verdict
    x, y = drawn["perfect scaling"].get_data()
    np.testing.assert_allclose(x * y, expected.least_steps * expected.critical)


def test_too_few_sizes_are_drawn_without_a_number(tmp_path: Path) -> None:
    leave_sizes(tmp_path, {2: 17, 8: 7})
    figure = VIEW.draw(VIEW.groups(find([tmp_path]).runs))
    (panel,) = figure.axes
    runs = [(point.x, point.y) for point in points_of(figure) if point.shows == "runs"]
    assert runs == [(2, 17), (8, 7)]
    labels = [str(line.get_label()) for line in panel.get_lines()]
    assert "2 sizes: too few for a fit (4)" in labels
    assert not any("critical" in label for label in labels)


def test_what_it_cannot_show_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leave(tmp_path / "a", falls(5), batch_size={"name": "growing"})
    leave(tmp_path / "b", falls(5), batch_size={"name": "mini", "size": 2})
    assert run_command_line([str(tmp_path), "--figure", "critical_batch_size"]) == 2
    assert "needs a target" in capsys.readouterr().err
    groups = runner.load(tmp_path).groups()
    with pytest.raises(ConfigError, match="batch_size=growing has more"):
        critical_batch_size_figure(groups, "train_loss", 1.0)
    with pytest.raises(ConfigError, match="met from the start"):
        critical_batch_size_figure(groups[:1], "train_loss", 3.0)
    groups[0].settings.clear()
    with pytest.raises(ConfigError, match="differ in batch_size"):
        critical_batch_size_figure(groups, "train_loss", 1.0)
    assert math.isinf(fit(SIZES, [1000 / size for size in SIZES]).high)  # type: ignore[union-attr]
