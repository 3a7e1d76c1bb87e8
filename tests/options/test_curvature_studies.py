"""The claims of the studies of curvature, in small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
from conftest import compose

from runner.engine.loop import Training
from runner.engine.turns import lanes_for
from runner.experiment.experiment import Experiment
from runner.statistics.remarks import remarks

NOTHING = np.zeros(0)


def curvature(experiments: Sequence[Experiment]) -> list[npt.NDArray]:
    """What is measured of runs that train side by side."""
    side_by_side = lanes_for(len(experiments), "map", jax.devices()[:1])
    training = Training(experiments, experiments[0].data.load(), side_by_side)
    tables: list[list[npt.NDArray]] = [[] for _ in experiments]
    for chunks in training.chunks():
        for own, chunk in zip(tables, chunks, strict=True):
            if chunk is not None:
                own.append(chunk.tables["curvature"])
    return [np.concatenate(own) for own in tables]


def of(**numbers: Any) -> dict[str, Any]:
    return {"name": "curvature", "examples": 2000, "probes": 1, **numbers}


def test_gradient_descent_trains_at_the_edge_of_stability() -> None:
    """The claim of `experiment=edge_of_stability`, in fewer steps."""
    gentle, edge, steep = curvature(
        [
            compose(
                {"epochs": 160, "evaluate_every": 20},
                loss="squared_error",
                preprocessing="center",
                activation="tanh",
                initializer="uniform",
                model={"widths": [32], "depth": 3},
                batch_size="full",
                optimizer={"learning_rate": rate},
                diagnostics=of(iterations=5),
            )
            for rate in (0.5, 1.0, 2.0)
        ]
    )
    assert (gentle["sharpness_limit"] == 2).all()
    assert (gentle["sharpness_product"] < 1.2).all()
    assert edge["sharpness_product"][1:4].max() < 1.85 < edge["sharpness_product"][-3:].min()
    assert edge["sharpness_product"].max() < 2.3
    assert steep["sharpness_product"][0] > 4
    assert 1.8 < np.median(steep["sharpness_product"][-4:]) < 2.6
    for table in (gentle, edge, steep):
        assert table["objective"][-1] < table["objective"][0] / 5
        assert not list(remarks(NOTHING, NOTHING, table)), "the edge deserves no look"
    assert (steep["sharpness_product"][-4:] > 2).any(), "the last ones say nothing by themselves"
    (said,) = remarks(NOTHING, NOTHING, steep[:5])  # still on its way down from 4
    assert "> 2, the median of the last 3 evaluations" in said


def test_the_share_of_negative_eigenvalues_falls_with_the_loss() -> None:
    """The claim of `experiment=saddle_points`, at three points of the way, on fewer examples."""
    large, small = curvature(
        [
            compose(
                {"epochs": 240, "evaluate_every": 120},
                activation="tanh",
                initializer={"name": "normal", "stddev": deviation},
                model={"widths": [3]},
                batch_size="full",
                optimizer={"learning_rate": 0.5},
                diagnostics=of(examples=256, iterations=300),
            )
            for deviation in (0.2, 0.01)
        ]
    )
    for table, start, objective in ((large, 0.3, 2.2), (small, 0.12, 2.2)):
        share = table["negative_share"]
        assert share[0] > start
        assert share[0] > 1.8 * share[-1], share
        assert np.all(np.diff(share) < 0.01), share
        assert table["objective"][0] > objective > 2 * table["objective"][-1]


def test_the_curvature_along_the_gradient_gains_on_its_slope() -> None:
    """The claim of `experiment=ill_conditioning`, in fewer epochs."""
    slow, fast = curvature(
        [
            compose(
                {"epochs": 9},
                optimizer={"learning_rate": rate},
                diagnostics=of(iterations=2),
            )
            for rate in (0.03, 1.0)
        ]
    )
    square, bend = slow["gradient_square"], slow["gradient_curvature"]
    assert square[-4:].mean() < square[1] / 3
    assert bend[-4:].mean() > bend[1] / 2
    ratio = 0.03 * bend / square / 2
    assert ratio[-4:].mean() > 3 * ratio[1]
    assert ratio.max() < 0.1, "a larger rate is possible"
    assert (fast["gradient_curvature"] / fast["gradient_square"] / 2)[1:4].max() > 0.6
    assert fast["objective"][-1] < 0.1
