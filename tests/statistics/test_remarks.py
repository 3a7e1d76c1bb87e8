"""What is said of diagnostics, and what is not."""

from __future__ import annotations

import numpy as np
import pytest

from runner.statistics.remarks import remarks

PLACE = [("epoch", "<i4"), ("step", "<i4"), ("name", "<U8")]
LAYERS = np.dtype([*PLACE, ("dead", "<f4"), ("saturated_units", "<f4")])
PARAMETERS = np.dtype([("step", "<i4"), ("name", "<U15"), ("gradient_norm", "<f4")])
NOTHING = np.zeros(0, LAYERS), np.zeros(0, PARAMETERS)


def dead(*evaluations: tuple[float, float]) -> np.ndarray:
    """The shares of two layers at evaluations after 0, 2, 4, ... epochs."""
    return layers(*(tuple((share, share) for share in shares) for shares in evaluations))


def layers(*evaluations: tuple[tuple[float, float], ...]) -> np.ndarray:
    """The shares of dead and of saturated units of layers after 0, 2, 4, ... epochs."""
    rows = [
        (2 * place, 10 * place, f"hidden_{layer}", *shares)
        for place, of_layers in enumerate(evaluations)
        for layer, shares in enumerate(of_layers, start=1)
    ]
    return np.array(rows, LAYERS)


def gradients(**norms: float) -> np.ndarray:
    """The norms of kernels at the last evaluation, after one at which all were equal."""
    before = [(0, f"{layer}/kernel", 1.0) for layer in norms]
    biases = [(10, f"{layer}/bias", 1e-9) for layer in norms]
    return np.array(
        [*before, *biases, *((10, f"{layer}/kernel", n) for layer, n in norms.items())], PARAMETERS
    )


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        (
            dead((0.1, 0), (0.6, 0), (0.4, 0), (0.7, 0.2), (0.92, 0.49)),
            ["hidden_1: 92% of units dead since epoch 6"],
        ),
        (
            dead((0.5, 1)),
            ["hidden_2: 100% of units dead since epoch 0, and at least half in 1 more layer"],
        ),
        (dead((0.1, 0), (0.9, 0), (0.49, 0)), []),
        (dead((np.nan, np.nan)), []),
    ],
)
def test_dead_units_are_said_of_the_last_evaluation(layers: np.ndarray, said: list[str]) -> None:
    assert list(remarks(layers, NOTHING[1])) == said


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            layers(*(((0, 0.1), (0, share)) for share in (0.4, 0.75, 0.92))),
            ["hidden_2: 92% of units saturated since epoch 2"],
        ),
        (
            layers(((0.2, 0.8), (0.6, 1.0), (0.4, 0.9))),
            [
                "hidden_2: 60% of units dead since epoch 0",
                "hidden_3: 90% of units saturated since epoch 0, "
                "and at least three quarters in 1 more layer",
            ],
        ),
        (layers(((0, 0.9), (0, 0.9)), ((0, 0.4), (0, 0.74))), []),
        (layers(((0, 0.74), (0, np.nan))), []),
    ],
)
def test_saturated_units_are_said_of_layers_that_are_not_dead(
    found: np.ndarray, said: list[str]
) -> None:
    assert list(remarks(found, NOTHING[1])) == said


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (gradients(a=1e-6, b=0.5, c=1.0), ["a/kernel: its gradient is 1e-06 of that of c/kernel"]),
        (gradients(a=2.0, b=0.5, c=4e-4), ["c/kernel: its gradient is 2e-04 of that of a/kernel"]),
        (gradients(a=0.0, b=0.5), ["a/kernel: its gradient is 0, unlike that of b/kernel"]),
        (gradients(a=1.1e-3, b=0.5, c=1.0), []),
        (gradients(a=0.0, b=0.0), []),
        (gradients(a=np.nan, b=1.0), []),
    ],
)
def test_unequal_gradients_are_said_of_the_last_evaluation(
    parameters: np.ndarray, said: list[str]
) -> None:
    assert list(remarks(NOTHING[0], parameters)) == said


def curvature(limit: float, *products: float) -> np.ndarray:
    dtype = [("sharpness_product", "<f4"), ("sharpness_limit", "<f4")]
    return np.array([(product, limit) for product in products], dtype)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            curvature(2, 1, 1, 1, 2.5, 1.9, 2.6),
            ["sharpness x learning rate 2.5 > 2, the median of the last 3 evaluations: "],
        ),
        (
            curvature(3.6, 9, 5, 5, np.nan, 5, 5),  # one that diverged is no number
            [],
        ),
        (
            curvature(3.6, 9, 9, 9, 9, 5, 5, 5, np.inf),
            ["sharpness x learning rate 5 > 3.6, the median of the last 3 evaluations: "],
        ),
        (curvature(2, 4, 3, 2, 2.1, 1.9, 2.2, 2.29), []),  # the edge of stability
        (curvature(2, 1, 1, 1, 1.9, 1.9, 4), []),  # the last one alone
        (curvature(2, 4, 4, 4), []),  # too few
        (curvature(np.nan, 4, 4, 4, 4, 4, 4), []),
    ],
)
def test_sharpness_is_said_of_the_median_of_the_last_half(
    found: np.ndarray, said: list[str]
) -> None:
    lines = list(remarks(*NOTHING, found))
    assert len(lines) == len(said)
    assert all(line.startswith(start) for line, start in zip(lines, said, strict=True))


def test_nothing_is_said_of_a_run_without_diagnostics() -> None:
    assert list(remarks(*NOTHING)) == []
