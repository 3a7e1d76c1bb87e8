"""What every option in the table owes: an option that gets a row is tested here by itself."""

from __future__ import annotations

import dataclasses
import itertools
import re
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest
import yaml
from conftest import CONF, DEFAULTS, ROOT, compose, every_option, float_fields, read_option
from engine_alone import leaves_as_arrays, one_phase
from PIL import Image

from runner.config.help import help_text
from runner.data import Dataset
from runner.documentation.options_page import page
from runner.documentation.schedules_picture import curves, fingerprint
from runner.engine.compilation import CompilationCounter
from runner.engine.placement import place
from runner.engine.state import Arrays, Measured, State, Timeline
from runner.engine.train import initial_state, take_steps
from runner.experiment.experiment import Experiment
from runner.experiment.table import GROUPS, OPTIONS, STACKED, base_of
from runner.options.layer import Params
from runner.options.option import Option, is_option, option

# Their steps amplify rounding: an orthogonalized, a searched or a sign step is no smooth function.
UNSTEADY = {"lion", "sign_sgd", "rprop", "lbfgs", "newton", "newton_cg", "muon", "sophia"}

# They act on the initial parameters, or on the outputs for given ones in training, and on nothing
# else: a step need not be compiled to see all that they do.
GROUPS_OF_THE_NETWORK = ("activation", "initializer", "bias_initializer")
OF_THE_NETWORK = {
    *(("normalization", name) for name in ("layer", "group", "instance", "rms")),
    *(("regularization", name) for name in ("alpha_dropout", "dropconnect", "dropout")),
    ("regularization", "variational_dropout"),
    *(option for option in every_option() if option[0] in GROUPS_OF_THE_NETWORK),
}
NEED_LAYERS = ("muon", "dropout", "alpha_dropout", "dropconnect")
"""Options that act on hidden layers; those of some groups all do."""

WITH_FLOATS = [option for option in every_option() if float_fields(*option)]
STEPS = 8  # of batch 9 on 36 examples: two epochs


def whole_run(experiment: Experiment, arrays: Arrays, steps: int, timeline: Timeline) -> Measured:
    """A run from its first step, as one program."""
    state = initial_state(experiment, arrays)
    return take_steps(experiment, arrays, state, 0, steps, timeline)[1]


run_alone = jax.jit(whole_run)
run_as_lanes = jax.jit(jax.vmap(whole_run, in_axes=(0, None, None, None)))


def train(experiment: Experiment, data: Dataset, steps: int = STEPS) -> Measured:
    arrays = place(experiment, data)
    return run_alone(leaves_as_arrays(experiment), arrays, steps, timeline(steps))


def timeline(steps: int) -> Timeline:
    return Timeline(0, 0, steps, steps / 4, one_phase(4))


def with_option(group: str, name: str, **numbers: Any) -> Experiment:
    """A small experiment with this option chosen."""
    # Four equal batches in a fixed order: one copy of the step to compile, and no permutation.
    # The fewer arrays of parameters, the fewer loops; some need a hidden layer.
    needs_layers = group in ("model", "activation", "initializer", "normalization")
    choices: dict[str, Any] = {
        "batch_size": {"size": 9},
        "model": {"widths": [6]} if needs_layers or name in NEED_LAYERS else "linear",
        "sampling": {"name": "fixed", "shuffled": False},
    }
    if group == "model" and name == "cnn":
        numbers = {"channels": [3, 4], "widths": [5], **numbers}
    if group == "model" and name == "rnn":
        numbers = {"units": 5, "recurrent_initializer": "identity", **numbers}
    if group == "normalization" and "epsilon" in float_fields(group, name):
        numbers = {"epsilon": 0.1, **numbers}  # so that another one can be seen
    if name == "group":
        choices["model"] = {"widths": [16]}
    if name == "instance":  # whose maxima over windows would depend on the last bit
        choices["model"] = {"name": "cnn", "channels": [3], "pool_size": 1, "widths": []}
    if name == "dropout":
        numbers = {"input_rate": 0.1, **numbers}
    if name == "variational_dropout":
        choices["model"] = {"name": "rnn", "units": 5, "recurrent_initializer": "identity"}
    if group == "sampling" and name == "stream":
        choices["data"] = "teacher"
    if group == "batch_size" and name == "growing":
        numbers = {"size": 4, **numbers}
    if group == "momentum_schedule":
        choices["optimizer"] = "momentum"
    if group == "data" and OPTIONS[group][name].ignores:
        choices = {"optimizer": {"learning_rate": 0.001}}
    if group == "optimizer":
        choices |= run_meant_for(name)
    choices[group] = {"name": name, **numbers}
    return compose(**choices)


def run_meant_for(optimizer: str) -> dict[str, Any]:
    """The batches of digits that an optimizer is meant for; without a short last batch."""
    chosen = compose(model="linear", optimizer=optimizer)
    wants_everything = any(chosen.optimizer.cautions(chosen.facts()))
    return {
        "batch_size": "full" if wants_everything else {"drop_remainder": True},
        "model": {"widths": [16]} if optimizer == "muon" else "linear",
        "settings": {"epochs": 30 if wants_everything else 5},
        "sampling": "permutation",
    }


def dataset(group: str, experiment: Experiment, tiny: Dataset) -> Dataset:
    """The tiny images; digits for an optimizer; the data of the option itself if it has its own."""
    has_its_own = experiment.data.ignores or experiment.data.generates
    return experiment.data.load() if has_its_own or group == "optimizer" else tiny


def nearby(group: str, name: str, field: str) -> float:
    """Another value within the field's range."""
    value = read_option(group, name)[field] or 0.0
    limits = OPTIONS[group][name].__dataclass_fields__[field].metadata["range"]
    return next(
        other for other in (value * 0.75, value * 1.25, 0.25) if other != value and other in limits
    )


@pytest.mark.parametrize(("group", "name"), every_option())
def test_yaml_and_class_are_the_same_set_with_the_same_defaults(group: str, name: str) -> None:
    written = read_option(group, name)
    assert written.pop("name") == name
    declared = OPTIONS[group][name]
    defaults = {field.name: field.default for field in dataclasses.fields(declared)}
    for key, value in written.items():
        if isinstance(value, dict):  # an option inside: which one is the YAML file's affair
            assert defaults.pop(key) is dataclasses.MISSING
        else:
            assert (tuple(value) if isinstance(value, list) else value) == defaults.pop(key)
    assert not defaults


@pytest.mark.parametrize(("group", "name"), every_option())
def test_classes_are_abstract_or_final(group: str, name: str) -> None:
    """An option derives from the base of its group and from no option; bases are no options."""
    cls = OPTIONS[group][name]
    assert issubclass(cls, base_of(group))
    assert not cls.__abstractmethods__
    assert is_option(cls)
    for base in cls.__mro__[1:]:
        assert not is_option(base)
        if issubclass(base, Option):
            with pytest.raises(TypeError, match="instantiate"):
                base()


@pytest.mark.parametrize("group", OPTIONS)
def test_an_option_without_what_its_base_declares_cannot_be_instantiated(group: str) -> None:
    base = base_of(group)

    @option
    class Incomplete(base):
        pass

    for method in base.__abstractmethods__:
        with pytest.raises(TypeError, match=f"Incomplete.*{method}"):
            Incomplete()
    assert base.__abstractmethods__ or group == "regularization"


@pytest.mark.parametrize(("group", "name"), every_option())
def test_every_key_and_every_option_is_explained(group: str, name: str) -> None:
    first, *rest = (CONF / group / f"{name}.yaml").read_text().splitlines()
    if group in STACKED:
        assert first == f"# @package {group}.{name}"
        first, *rest = rest
    assert re.fullmatch(r"# \S.{5,90}", first), "the one-line meaning that --help shows"
    keys = [line for line in rest if re.match(r"\w", line) and not line.startswith("name:")]
    keys = [line for line in keys if line != "defaults:"]
    assert all("  # " in line for line in keys)
    assert OPTIONS[group][name].__doc__, "the rule in symbols"


def test_the_folders_hold_exactly_the_options_of_the_table() -> None:
    for group, names in OPTIONS.items():
        assert {file.stem for file in (CONF / group).glob("*.yaml")} == set(names)


def test_the_documented_list_is_the_table() -> None:
    sections = re.split(r"^## ", (ROOT / "docs" / "options.md").read_text(), flags=re.MULTILINE)
    documented = {
        section.partition("\n")[0]: set(re.findall(r"^### `\w+=(\w+)`", section, re.MULTILINE))
        for section in sections[1:]
    }
    assert documented == {group: set(names) for group, names in OPTIONS.items()}


def test_the_page_of_options_is_current() -> None:
    assert (ROOT / "docs" / "options.md").read_text() == page(), "run `make docs`"


def test_the_picture_of_the_schedules_is_current() -> None:
    with Image.open(ROOT / "docs" / "schedules.png") as picture:
        assert picture.text["Comment"] == fingerprint(curves()), "run `make docs`"


def test_help_shows_every_option_under_its_group() -> None:
    shown = help_text([CONF])
    for group in GROUPS:
        block = re.search(rf"^{group}=.*\n((?:  .*\n)+)", shown, re.MULTILINE)
        assert block, group
        listed = {line.split()[0] for line in block[1].splitlines()}
        assert listed == {file.stem for file in (CONF / group).glob("*.yaml")}


def test_the_groups_are_those_of_the_defaults_list() -> None:
    defaults = yaml.safe_load((CONF / "config.yaml").read_text())["defaults"]
    entries = [entry for entry in defaults if isinstance(entry, dict)]
    chosen = {key: value for entry in entries for key, value in entry.items()}
    own = {key: value for key, value in chosen.items() if not key.startswith("override")}
    assert tuple(own) == GROUPS
    assert {key: own[key] for key in OPTIONS} == DEFAULTS


def at_the_start(experiment: Experiment, arrays: Arrays) -> tuple[State, Params]:
    """The initial state, and the gradient of the mean square of the outputs there."""
    state, network = initial_state(experiment, arrays), experiment.network()
    inputs = experiment.preprocessing(arrays.statistics, arrays.inputs)

    def mean_square(params: Params) -> jax.Array:
        return (network.apply(params, state.layers, inputs, True)[0] ** 2).mean()

    return state, jax.grad(mean_square)(state.params)


alone_at_the_start = jax.jit(at_the_start)
lanes_at_the_start = jax.jit(jax.vmap(at_the_start, in_axes=(0, None)))


@pytest.mark.parametrize(("group", "name"), [o for o in WITH_FLOATS if o in OF_THE_NETWORK])
def test_floats_of_a_network_are_data(group: str, name: str, tiny: Dataset) -> None:
    """A new value of any float compiles nothing; lanes of a batch give what each gives alone."""
    default = with_option(group, name)
    fields = float_fields(group, name)
    changed = [with_option(group, name, **{f: nearby(group, name, f)}) for f in fields]
    arrays = place(default, tiny)
    first = alone_at_the_start(leaves_as_arrays(default), arrays)
    with CompilationCounter() as counter:
        alone = [
            first,
            *(alone_at_the_start(leaves_as_arrays(experiment), arrays) for experiment in changed),
        ]
    assert counter.programs == 0
    lanes = jax.tree.map(
        lambda *leaves: np.stack(leaves), *map(leaves_as_arrays, [default, *changed])
    )
    together = jax.device_get(lanes_at_the_start(lanes, arrays))
    for index, expected in enumerate(alone):
        got = jax.tree.map(lambda x: x[index], together)  # noqa: B023
        close = partial(np.testing.assert_allclose, rtol=5e-4, atol=2e-5)
        jax.tree.map(close, got, expected)
    gradients = [jax.tree.leaves(gradient) for _, gradient in jax.device_get(alone)]
    for other in gradients[1:]:
        differences = [abs(a - b).max() for a, b in zip(gradients[0], other, strict=True)]
        assert max(differences) > 1e-7, "the number has an effect"


@pytest.mark.parametrize(("group", "name"), [o for o in WITH_FLOATS if o not in OF_THE_NETWORK])
def test_floats_are_data(group: str, name: str, tiny: Dataset) -> None:
    """A new value of any float compiles nothing, and lanes of a batch give what each gives alone.

    Both for one option in one test, so that its programs are compiled once; and so that every
    optimizer learns.
    """
    default = with_option(group, name)
    fields = float_fields(group, name)
    changed = [with_option(group, name, **{f: nearby(group, name, f)}) for f in fields]
    data = dataset(group, default, tiny)
    first = train(default, data)
    with CompilationCounter() as counter:
        alone = [first, *(train(experiment, data) for experiment in changed)]
        whole = train(default, data, default.total_steps) if group == "optimizer" else None
    assert counter.programs == 0
    if whole:
        check_that_it_learns(default, jax.device_get(whole))
    arrays = place(default, data)
    lanes = jax.tree.map(
        lambda *leaves: np.stack(leaves), *map(leaves_as_arrays, [default, *changed])
    )
    together = jax.device_get(run_as_lanes(lanes, arrays, STEPS, timeline(STEPS)))
    # Batched sums round differently, and ten steps amplify that; a search or a sign much more.
    tolerance = 5e-2 if name in UNSTEADY else 5e-4
    for index, expected in enumerate(alone):
        got = jax.tree.map(lambda x: x[index], together)  # noqa: B023
        assert int(got.evaluations) == int(expected.evaluations)
        close = partial(np.testing.assert_allclose, rtol=tolerance, atol=tolerance / 20)
        jax.tree.map(close, (got.steps, got.epochs), (expected.steps, expected.epochs))


def check_that_it_learns(experiment: Experiment, measured: Measured) -> None:
    """Every optimizer lowers the losses with its defaults, and numbers stay finite."""
    steps, epochs = (
        columns.values[:rows]
        for columns, rows in [
            (measured.steps, experiment.total_steps),
            (measured.epochs, int(measured.evaluations)),
        ]
    )
    norms = measured.steps["gradient_norm"][: experiment.total_steps]
    assert np.isfinite(np.where(np.isnan(norms)[:, None], 0.0, steps)).all()
    first, last = epochs[0], epochs[-1]
    for measure in ("validation_loss", "test_loss"):
        place = measured.epochs.names.index(measure)
        assert last[place] < 0.97 * first[place]


def test_different_choices_have_different_structures() -> None:
    """Programs are looked up by structure, so two options with equal fields must not be equal."""
    chosen = [option for option in every_option() if option[1] != DEFAULTS[option[0]]]
    trees = [jax.tree.structure(with_option(*option)) for option in chosen]
    equal = [
        (one, other)
        for (one, first), (other, second) in itertools.combinations(
            zip(chosen, trees, strict=True), 2
        )
        if first == second
    ]
    assert equal == []


def test_a_new_seed_or_length_compiles_nothing(tiny: Dataset) -> None:
    train(compose({"seed": 0, "epochs": 2}, batch_size={"size": 8}), tiny)
    with CompilationCounter() as counter:
        train(compose({"seed": 5, "epochs": 4}, batch_size={"size": 8}), tiny, steps=20)
    assert counter.programs == 0


def test_the_counter_counts(tiny: Dataset) -> None:
    with CompilationCounter() as counter:
        train(compose(model={"widths": [7, 3]}), tiny)
    assert counter.programs >= 1
