"""Early stopping in the engine: a stopped run is the start of the one that trains on."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from conftest import compose
from engine_alone import Engine, one_phase

from runner.data import Dataset
from runner.engine.chunk import Chunk
from runner.engine.columns import Columns
from runner.engine.early_stopping import first_watch, watched
from runner.engine.evaluation import evaluated
from runner.engine.loop import Training
from runner.engine.memory import COPIES, bytes_of_a_lane
from runner.engine.placement import place
from runner.engine.setup import Setup
from runner.engine.state import GOES_ON, Timeline
from runner.engine.strategy import Strategy
from runner.engine.turns import lanes_for
from runner.engine.weights import best_weights
from runner.experiment.experiment import Experiment
from runner.measures import EPOCH_MEASURES
from runner.options.stopping import Best
from runner.status import Status

EPOCHS, PER_EPOCH = 12, 5
FEW: dict[str, Any] = {"name": "teacher", "train_examples": 40, "features": 8, "classes": 3}
SMALL: dict[str, Any] = {
    "data": FEW,
    "preprocessing": "none",
    "batch_size": {"size": 8},
    "model": {"widths": [6]},
}
NEVER = 1000


@pytest.fixture(scope="module")
def few() -> Dataset:
    """Examples that a network soon knows by heart, while its validation loss rises."""
    return compose(**SMALL).data.load()


def small(patience: int | None, rate: float = 0.1, seed: int = 0, **stopping: Any) -> Experiment:
    """A run whose validation loss stops falling; without a rule if there is no patience."""
    rule = {"name": "patience", "patience": patience, **stopping}
    return compose(
        {"epochs": EPOCHS, "seed": seed},
        **SMALL,
        optimizer={"learning_rate": rate},
        stopping="none" if patience is None else rule,
    )


def trained(
    experiments: Sequence[Experiment], data: Dataset, lanes: Any = None
) -> list[list[Chunk]]:
    """The chunks of each."""
    training = Training(experiments, data, lanes)
    mine: list[list[Chunk]] = [[] for _ in experiments]
    for chunks in training.chunks():
        for own, chunk in zip(mine, chunks, strict=True):
            own += [chunk] * (chunk is not None)
    return mine


def rows_of(chunks: Sequence[Chunk], kind: str) -> npt.NDArray:
    return np.concatenate([getattr(chunk, kind) for chunk in chunks])


def assert_starts(rows: npt.NDArray, whole: npt.NDArray, tolerance: float = 0.0) -> None:
    """That these rows are the first of `whole`, but for the times."""
    for name in set(rows.dtype.names or ()) - {"seconds"}:
        np.testing.assert_allclose(
            rows[name], whole[name][: len(rows)], rtol=tolerance, atol=0, err_msg=name
        )


def stop_of(values: npt.NDArray, patience: int, min_delta: float) -> int | None:
    """The evaluation with which a run of these validation measures ends: the rule, in NumPy."""
    reference, waited = np.inf, 0
    for number, value in enumerate(values):
        improved = value < np.float32(reference) - np.float32(min_delta)
        reference, waited = (value, 0) if improved else (reference, waited + 1)
        if waited == patience:
            return number
    return None


def test_a_stopped_run_is_the_start_of_the_run_that_trains_on(few: Dataset) -> None:
    """To the bit, with and without the rule, whose stops are those of NumPy on the whole curve."""
    (without,) = trained([small(None, 1.0)], few)
    whole, curve = rows_of(without, "steps"), rows_of(without, "epochs")
    losses = curve["validation_loss"]
    ends = set()
    for patience, min_delta in ((1, 0.0), (2, 0.0), (2, 0.02), (3, 0.5), (NEVER, 0.0)):
        (chunks,) = trained([small(patience, 1.0, min_delta=min_delta)], few)
        stop = stop_of(losses, patience, min_delta)
        last = EPOCHS if stop is None else stop
        steps, epochs = rows_of(chunks, "steps"), rows_of(chunks, "epochs")
        assert (len(steps), len(epochs)) == (last * PER_EPOCH, last + 1)
        assert_starts(steps, whole)
        assert_starts(epochs, curve)
        status = Status.FINISHED if last == EPOCHS else Status.STOPPED
        assert [chunk.status for chunk in chunks] == [*[None] * (len(chunks) - 1), status]
        assert chunks[-1].kept_at == losses[: last + 1].argmin() * PER_EPOCH
        assert chunks[-1].epochs_taken == last
        ends.add(last)
    assert len(ends) > 2, "the numbers matter"


def test_the_program_takes_no_step_after_the_stop_and_no_chunk_follows(few: Dataset) -> None:
    """Rows of steps that are not taken stay zero; a hundred thousand epochs end at once."""
    engine = Engine(small(2, 1.0), few)
    measured = engine.advance(0, 4000, 4000)
    stop = int(measured.stopped_at)
    assert 0 < stop < 100
    assert int(measured.evaluated_at[measured.evaluations - 1]) == stop
    assert (measured.steps["train_loss"][:stop] > 0).all()
    assert not measured.steps["train_loss"][stop:].any()
    again = engine.advance(4000, 4001, 5000)
    assert (int(again.stopped_at), int(again.evaluations)) == (stop, 0)
    (chunks,) = trained([dataclasses.replace(small(2, 1.0), epochs=100_000)], few)
    assert chunks[-1].stopped_at == stop
    assert chunks[-1].steps_taken == stop


def test_chunks_do_not_change_where_a_run_stops_nor_what_it_keeps(few: Dataset) -> None:
    """To the bit; what it keeps is what was evaluated: the average, with statistics of its own."""
    experiment = compose(
        {"epochs": EPOCHS, "measure_every": 1},
        **SMALL,
        normalization="batch",
        optimizer={"name": "averaged", "base": {"name": "sgd", "learning_rate": 3.0}},
        stopping={"name": "patience", "measure": "validation_loss", "patience": 2},
    )
    whole, cut = Engine(experiment, few), Engine(experiment, few)
    total = 60
    expected = whole.advance(0, total, total)
    stop, kept = int(expected.stopped_at), int(expected.kept_at)
    assert 0 < kept < stop < total
    steps, epochs = [], []
    for start, until in itertools.pairwise(sorted({0, 1, 4, 5, 6, kept, kept + 7, stop, 57, 60})):
        part = cut.advance(start, until, total)
        steps.append(part.steps.values[: until - start])
        epochs.append(part.epochs.values[: part.evaluations])
        if until == kept:
            best = evaluated(cut.setup, cut.state)
    np.testing.assert_array_equal(np.concatenate(steps)[:stop], expected.steps.values[:stop])
    np.testing.assert_array_equal(
        np.concatenate(epochs), expected.epochs.values[: expected.evaluations]
    )
    jax.tree.map(np.testing.assert_array_equal, cut.state, whole.state)
    found = best_weights(whole.arrays, whole.state)
    assert found is not None
    params, layers, _, steps = found
    assert steps == kept
    jax.tree.map(np.testing.assert_array_equal, params, best[0])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), layers, best[1])
    assert (params["logits"]["kernel"] != whole.state.optimizer.average["logits"]["kernel"]).any()


@pytest.mark.parametrize(("strategy", "tolerance"), [("map", 0.0), ("vmap", 1e-4)])
def test_lanes_stop_at_times_of_their_own(
    strategy: Strategy, tolerance: float, few: Dataset
) -> None:
    """Each as if it had run alone; one diverges, and one takes all steps."""
    numbers = [(2, 1.0, 0.5), (1, 1.0, 0.0), (1, 1e30, 0.0), (NEVER, 0.1, 0.0)]
    experiments = [
        small(patience, rate, min_delta=min_delta) for patience, rate, min_delta in numbers
    ]
    together = trained(experiments, few, lanes_for(4, strategy, jax.devices()[:1]))
    ends = [(chunks[-1].status, chunks[-1].steps_taken) for chunks in together]
    assert [status for status, _ in ends] == ["stopped", "stopped", "diverged", "finished"]
    assert len({steps for _, steps in ends}) == 4
    for experiment, chunks in zip(experiments, together, strict=True):
        (alone,) = trained([experiment], few)
        assert (alone[-1].status, alone[-1].steps_taken) in ends
        assert alone[-1].kept_at == chunks[-1].kept_at
        for kind in ("steps", "epochs"):
            assert len(rows_of(chunks, kind)) == len(rows_of(alone, kind))
            assert_starts(rows_of(chunks, kind), rows_of(alone, kind), tolerance)


def test_a_rule_is_asked_at_evaluations_only(few: Dataset) -> None:
    (chunks,) = trained([dataclasses.replace(small(2, 1.0, min_delta=9), evaluate_every=3)], few)
    assert rows_of(chunks, "epochs")["epoch"].tolist() == [0, 3, 6]
    assert (chunks[-1].status, chunks[-1].stopped_at) == ("stopped", 6 * PER_EPOCH)


def test_what_ends_no_run(few: Dataset) -> None:
    """The evaluation at the start, and one that is not finite: the next step diverges."""
    patient = small(1, measure="validation_error")
    target = compose(stopping={"name": "target", "value": 0.7})
    arrays, timeline = place(patient, few), Timeline(0, 0, 0, 0.0, one_phase(5))

    def after(
        *evaluations: tuple[int, float, float], experiment: Experiment = patient
    ) -> tuple[int, int, float]:
        setup = Setup(experiment, arrays, timeline)
        watch = first_watch(experiment, {"w": jnp.zeros(())}, {})
        for step, loss, error in evaluations:
            values = dict.fromkeys(EPOCH_MEASURES, jnp.zeros(()))
            values |= {"validation_loss": jnp.array(loss), "validation_error": jnp.array(error)}
            row = Columns.row(EPOCH_MEASURES, values)
            params = {"w": jnp.asarray(float(step))}
            watch = watched(setup, watch, jnp.asarray(step), row, params, {})
        assert watch is not None
        return int(watch.stopped_at), int(watch.kept_at), float(watch.params["w"])

    nan, inf = float("nan"), float("inf")
    assert after((0, nan, 1.0)) == (GOES_ON, 0, 0.0)
    assert after((0, 1.0, 0.5), (5, inf, 1.0)) == (GOES_ON, 0, 0.0)
    assert after((0, 1.0, 0.5), (5, nan, 1.0), (10, 2.0, 0.6)) == (10, 0, 0.0)
    assert after((0, 1.0, 0.5), (5, 2.0, 0.4)) == (GOES_ON, 5, 5.0)
    assert after((0, 1.0, 0.5), experiment=target) == (GOES_ON, 0, 0.0)
    assert after((0, 1.0, 0.5), (5, 1.0, 0.6), experiment=target) == (5, 0, 0.0)
    late = ((0, 1.0, 0.5), (5, 1.0, 0.5), (10, 0.1, 0.1))
    assert after(*late) == (5, 0, 0.0), "what follows a stop is dropped"


def test_what_is_kept_takes_memory(few: Dataset) -> None:
    """A second copy of the parameters; what a rule remembers is a few numbers more."""
    keeps, with_rule = small(None), small(3)
    without = dataclasses.replace(keeps, weights=False)
    arrays = place(without, few)
    parameters = (8 + 1) * 6 + (6 + 1) * 3
    for more in (keeps, with_rule):
        taken = bytes_of_a_lane(more, arrays) - bytes_of_a_lane(without, arrays)
        assert COPIES * 4 * parameters <= taken <= COPIES * 4 * (parameters + 8)


def test_the_best_parameters_can_be_kept_without_a_rule_that_stops(few: Dataset) -> None:
    """All steps are taken, to the bit as without it."""
    (without,) = trained([small(None, 1.0)], few)
    best = dataclasses.replace(small(None, 1.0), stopping=Best())
    (chunks,) = trained([best], few)
    curve = rows_of(chunks, "epochs")
    assert_starts(rows_of(without, "steps"), rows_of(chunks, "steps"))
    assert_starts(rows_of(without, "epochs"), curve)
    assert chunks[-1].status == Status.FINISHED
    assert chunks[-1].kept_at == curve["validation_error"].argmin() * PER_EPOCH
