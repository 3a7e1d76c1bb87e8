"""The kinds of figures in one table: what each shows, of which measure, and what draws it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from runner.compare.figures import (
    batch_cost,
    curvature,
    histograms,
    layers,
    noise,
    time_steps,
    updates,
)
from runner.compare.figures.along_gradient import along_gradient_figure
from runner.compare.figures.critical_batch_size import critical_batch_size_figure
from runner.compare.figures.curves import curves_figure, generalization_figure
from runner.compare.figures.final import final_figure
from runner.compare.figures.heat_map import heat_map
from runner.compare.figures.images import images_figure
from runner.compare.figures.profile import profile_figure
from runner.compare.figures.rate import rate_figure
from runner.compare.figures.scatter import scatter
from runner.compare.figures.spectrum import spectrum_figure
from runner.compare.figures.suited import numeric_keys, scattered_keys
from runner.compare.figures.surface import SurfaceFigure
from runner.compare.grouping import Group
from runner.compare.look import Look
from runner.compare.profile import Profile
from runner.errors import ConfigError
from runner.measures import METRIC, TRAIN_LOSS, VALIDATION_LOSS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Request(NamedTuple):
    """What is to be drawn, of which a kind of figure uses what it needs.

    Attributes:
        kind: the name of the kind.
        groups: the groups.
        measure: the name of the measure.
        axes: of curves and profiles, a panel for each.
        tune: settings that were tuned, which do not make a line of their own.
        target: what the measure is to reach, or None.
        profile: computes the performance profile in the unit of an axis.
        look: how the figure looks.
    """

    kind: str
    groups: Sequence[Group]
    measure: str
    axes: Sequence[str]
    tune: Sequence[str]
    target: float | None
    profile: Callable[[str], Profile]
    look: Look


def _axes_of_numbers(asked: Request, count: int) -> list[str]:
    """The first numbers, to be the axes of a figure.

    Raises:
        ConfigError: there are too few.
    """
    keys = numeric_keys(asked.groups, asked.tune)
    if len(keys) < count:
        raise ConfigError(
            f"the figure {asked.kind} needs "
            + ("a number that differs" if count == 1 else "two numbers that differ")
            + f" between the runs; there {'is one' if len(keys) == 1 else 'is none'}"
        )
    return keys[:count]


def _of_measure(
    figure: Callable[[Sequence[Group], str, Look], Figure],
) -> Callable[[Request], Figure]:
    """A figure that takes the groups and the measure alone."""
    return lambda asked: figure(asked.groups, asked.measure, asked.look)


def _of_runs(figure: Callable[[Sequence[Group], Look], Figure]) -> Callable[[Request], Figure]:
    """A figure that takes the groups alone."""
    return lambda asked: figure(asked.groups, asked.look)


def _curves(asked: Request) -> Figure:
    return curves_figure(asked.groups, asked.measure, asked.axes, asked.look)


def _final(asked: Request) -> Figure:
    (key,) = _axes_of_numbers(asked, 1)
    return final_figure(asked.groups, asked.measure, key, asked.tune, asked.look)


def _heat_map(asked: Request) -> Figure:
    across, up = _axes_of_numbers(asked, 2)
    return heat_map(asked.groups, asked.measure, across, up, asked.look)


def _scatter(asked: Request) -> Figure:
    across, up, *_ = scattered_keys(asked.groups, asked.tune) or _axes_of_numbers(asked, 2)
    return scatter(asked.groups, asked.measure, across, up, asked.look)


def _surface(asked: Request) -> Figure:
    return SurfaceFigure(asked.groups, asked.tune, asked.look).figure


def _profile(asked: Request) -> Figure:
    return profile_figure([asked.profile(axis) for axis in asked.axes], asked.look)


def _critical_batch_size(asked: Request) -> Figure:
    assert asked.target is not None  # see `View.check`
    return critical_batch_size_figure(
        asked.groups, asked.measure, asked.target, asked.tune, asked.look
    )


def _rate(asked: Request) -> Figure:
    keys = numeric_keys(asked.groups, asked.tune)
    values = {group.settings[keys[0]] for group in asked.groups} if keys else set()
    key = keys[0] if len(values) > 2 else None
    return rate_figure(asked.groups, asked.measure, key, asked.look)


def _landscape(asked: Request) -> Figure:
    from runner.compare.figures.loss_surface import landscape_figure  # imports JAX

    return landscape_figure(asked.groups, asked.look)


def _trajectory(asked: Request) -> Figure:
    from runner.compare.figures.loss_surface import trajectory_figure  # imports JAX

    return trajectory_figure(asked.groups, asked.look)


class Kind(NamedTuple):
    """A kind of figure.

    Attributes:
        about: what it shows, for the help.
        draw: draws it.
        measure: what it shows where no measure is chosen.
        needs_target: whether it shows how long it takes to reach a target.
        can_be_animated: whether it can also be an animation.
        by_problem: whether it compares on several problems, and tunes for each separately.
        of_results: whether it shows what training gave.
        tabulates_rates: whether its table has the fitted rates of convergence.
        own_measures: those of diagnostics, which it shows; empty: it shows those of curves.
    """

    about: str
    draw: Callable[[Request], Figure]
    measure: str = METRIC
    needs_target: bool = False
    can_be_animated: bool = False
    by_problem: bool = False
    of_results: bool = True
    tabulates_rates: bool = False
    own_measures: tuple[str, ...] = ()


KINDS: Mapping[str, Kind] = {
    "auto": Kind(f"the kind that suits what differs; curves show {TRAIN_LOSS}", _curves),
    "curves": Kind("a measure against the axes", _curves, TRAIN_LOSS),
    "generalization": Kind(
        "training beside validation", _of_measure(generalization_figure), VALIDATION_LOSS
    ),
    "final": Kind("final values against a number", _final),
    "heat_map": Kind("final values for two numbers", _heat_map),
    "scatter": Kind("final values by color for two numbers that form no grid", _scatter),
    "surface": Kind("paths over the contours of a surface", _surface, can_be_animated=True),
    "profile": Kind("times to a target over problems", _profile, by_problem=True),
    "critical_batch_size": Kind(
        "steps to a target against the batch size", _critical_batch_size, needs_target=True
    ),
    "batch_cost": Kind(
        "what a batch costs and buys against its size: speed, memory, error of the gradient "
        f"({', '.join(batch_cost.MEASURES)})",
        _of_measure(batch_cost.batch_cost_figure),
        batch_cost.DEFAULT,
        of_results=False,
        own_measures=batch_cost.MEASURES,
    ),
    "rate": Kind(
        "excess over the known minimum of a problem, with the fitted rate of convergence",
        _rate,
        TRAIN_LOSS,
        tabulates_rates=True,
    ),
    "images": Kind(
        "examples before and after preprocessing", _of_runs(images_figure), of_results=False
    ),
    "layers": Kind(
        f"of diagnostics a measure by layer over time: {', '.join(layers.MEASURES)}",
        _of_measure(layers.layers_figure),
        layers.DEFAULT,
        of_results=False,
        own_measures=layers.MEASURES,
    ),
    "histograms": Kind(
        f"of diagnostics the distributions in each layer: {', '.join(histograms.MEASURES)}",
        _of_measure(histograms.histograms_figure),
        histograms.DEFAULT,
        of_results=False,
        own_measures=histograms.MEASURES,
    ),
    "time_steps": Kind(
        f"of diagnostics of recurrent models by time step: {', '.join(time_steps.MEASURES)}",
        _of_measure(time_steps.time_steps_figure),
        time_steps.DEFAULT,
        of_results=False,
        own_measures=time_steps.MEASURES,
    ),
    "noise": Kind(
        "of diagnostics the deviation of the gradients of batches against their size",
        _of_measure(noise.noise_figure),
        noise.DEFAULT,
        of_results=False,
        own_measures=noise.MEASURES,
    ),
    "updates": Kind(
        f"of diagnostics a measure of updates against steps: {', '.join(updates.MEASURES)}",
        _of_measure(updates.updates_figure),
        updates.DEFAULT,
        of_results=False,
        own_measures=updates.MEASURES,
    ),
    "curvature": Kind(
        f"of diagnostics=curvature a measure over time: {', '.join(curvature.MEASURES)}",
        _of_measure(curvature.curvature_figure),
        curvature.DEFAULT,
        of_results=False,
        own_measures=curvature.MEASURES,
    ),
    "spectrum": Kind("the eigenvalues of the Hessian", _of_runs(spectrum_figure), of_results=False),
    "along_gradient": Kind(
        "the objective after a step along the gradient",
        _of_runs(along_gradient_figure),
        of_results=False,
    ),
    "landscape": Kind(
        "the objective in a random plane around trained networks", _landscape, of_results=False
    ),
    "trajectory": Kind(
        "the objective in the plane of the path of training", _trajectory, of_results=False
    ),
}
