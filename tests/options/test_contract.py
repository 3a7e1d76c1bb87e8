"""What every option in the table owes: an option that gets a row is tested here by itself."""

from __future__ import annotations

import itertools
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import own_files
import pytest
import rules
import yaml
from conftest import CONF, DEFAULTS, ROOT, compose, every_option, float_fields, read_option
from engine_alone import leaves_as_arrays, one_phase
from jax import lax
from PIL import Image
from rule_problem import as_tree, stepped

from runner.config.help import help_text
from runner.contract.floats import another, check_floats_are_data
from runner.contract.text import check_class, check_comments, check_defaults
from runner.data import Dataset
from runner.documentation.options_page import page
from runner.documentation.schedules_picture import curves, fingerprint
from runner.engine.compilation import CompilationCounter
from runner.engine.placement import place
from runner.engine.state import Arrays, Measured, State, Timeline
from runner.engine.step import optimizer_at
from runner.engine.train import initial_state, take_steps
from runner.experiment.experiment import Experiment
from runner.experiment.groups import base_of
from runner.experiment.table import GROUPS, OPTIONS, STACKED
from runner.options.batch_size import Full
from runner.options.clock import Clock
from runner.options.layer import Params
from runner.options.option import Option, is_option, option

# Their steps amplify rounding: an orthogonalized, a searched or a sign step is no smooth function.
UNSTEADY = {"lion", "sign_sgd", "rprop", "lbfgs", "newton", "newton_cg", "muon", "sophia"}

# They act on the initial parameters, on the inputs, or on the outputs for given ones in training: a
# step need not be compiled to see what they do.
GROUPS_OF_THE_NETWORK = (
    *("model", "activation", "initializer", "bias_initializer", "loss"),
    *("data", "preprocessing"),
)
OF_THE_NETWORK = {
    *(("normalization", name) for name in ("layer", "group", "instance", "rms")),
    *(("regularization", name) for name in ("alpha_dropout", "dropconnect", "dropout")),
    ("regularization", "variational_dropout"),
    *(option for option in every_option() if option[0] in GROUPS_OF_THE_NETWORK),
}
# The learning rates and the momentum of a run are all that they act on. One of each group is enough
# to see that a run uses them.
GROUPS_OF_TIME = ("momentum_schedule", "schedule", "warmup", "batch_size")
NEED_LAYERS = ("muon", "dropout", "alpha_dropout", "dropconnect")
"""Options that act on hidden layers; those of some groups all do."""
RELATIVE = ("lars", "lamb", "adafactor")
"""Optimizers whose steps are relative to the size of the parameters."""

WITH_FLOATS = [option for option in every_option() if float_fields(*option)]
IN_TIME = [option for option in WITH_FLOATS if option[0] in GROUPS_OF_TIME]
IN_STEPS = [option for option in WITH_FLOATS if option not in (*OF_THE_NETWORK, *IN_TIME)]
IN_A_STACK = {
    group: [name for of, name in IN_STEPS if of == group]
    for group in STACKED
    if any(of == group for of, _ in IN_STEPS)
}
IN_A_RUN = [option for option in IN_STEPS if option[0] not in ("optimizer", *IN_A_STACK)]
IN_A_RUN += [next(option for option in IN_TIME if option[0] == group) for group in GROUPS_OF_TIME]
STEPS = 8  # of batch 9 on 36 examples: two epochs


def whole_run(experiment: Experiment, arrays: Arrays, steps: int, timeline: Timeline) -> Measured:
    """A run from its first step, as one program."""
    state = initial_state(experiment, arrays)
    return take_steps(experiment, arrays, state, 0, steps, timeline)[1]


run_alone = jax.jit(whole_run)
run_as_lanes = jax.jit(jax.vmap(run_alone, in_axes=(0, None, None, None)))


def train(experiment: Experiment, data: Dataset, steps: int = STEPS) -> Measured:
    arrays = place(experiment, data)
    return run_alone(leaves_as_arrays(experiment), arrays, steps, timeline(steps))


def timeline(steps: int) -> Timeline:
    return Timeline(0, 0, steps, steps / 4, one_phase(4))


def with_option(group: str, name: str, **numbers: Any) -> Experiment:
    """A small experiment with this option chosen."""
    needs_layers = group in ("model", "activation", "initializer", "normalization")
    needs_layers |= name in NEED_LAYERS
    choices: dict[str, Any] = {}
    if needs_layers:
        choices["model"] = {"widths": [6]}
    if needs_layers or name in RELATIVE:
        choices["initializer"] = "he_normal"
    if group == "model" and name == "cnn":
        numbers = {"channels": [3, 4], "widths": [5], **numbers}
    if group == "model" and name in ("rnn", "lstm", "gru"):
        numbers = {"widths": [5], "recurrent_initializer": "identity", **numbers}
    if group == "model" and name == "transformer":
        numbers = {"width": 4, "depth": 1, "heads": 2, "expansion": 1, **numbers}
    if group == "normalization" and "epsilon" in float_fields(group, name):
        numbers = {"epsilon": 0.1, **numbers}  # so that another one can be seen
    if name == "group":
        choices["model"] = {"widths": [16]}
    if name == "instance":  # whose maxima over windows would depend on the last bit
        choices["model"] = {"name": "cnn", "channels": [3], "pool_size": 1, "widths": []}
    if name == "dropout":
        numbers = {"input_rate": 0.1, **numbers}
    if name == "variational_dropout":
        choices["model"] = {"name": "rnn", "widths": [5], "recurrent_initializer": "identity"}
        choices["initializer"] = "he_normal"
    if group == "sampling" and name == "stream":
        choices["data"] = "teacher"
    if group == "batch_size" and name == "growing":
        numbers = {"size": 4, **numbers}
    if group in GROUPS_OF_TIME:
        choices["optimizer"] = "momentum"
    if group == "data" and OPTIONS[group][name].ignores:
        of_its_own = {
            key: DEFAULTS[key] for key in ("batch_size", "model", "initializer", "sampling")
        }
        choices = {**of_its_own, "optimizer": {"learning_rate": 0.001}}
    if group == "data" and name == "text":
        choices = {"model": {"name": "rnn", "widths": [5]}}
    if group == "data":
        numbers = {**own_files.choice(name), **numbers}
    if group == "optimizer":
        choices |= run_meant_for(name)
    choices[group] = {"name": name, **numbers}
    return with_choices(choices)


def with_choices(choices: dict[str, Any]) -> Experiment:
    """A small experiment with some choices, of four equal batches in a fixed order.

    There is one copy of the step to compile, and no permutation. The fewer arrays of parameters,
    the fewer loops; parameters of zero need no random numbers.
    """
    small = {
        "batch_size": {"size": 9},
        "model": "linear",
        "initializer": "zeros",
        "sampling": {"name": "fixed", "shuffled": False},
    }
    return compose(**{**small, **choices})


def run_meant_for(optimizer: str) -> dict[str, Any]:
    """The batches that an optimizer is meant for; without a short last batch."""
    chosen = compose(model="linear", optimizer=optimizer)
    wants_everything = any(chosen.optimizer.cautions(chosen.facts()))
    return {
        "batch_size": "full" if wants_everything else {"drop_remainder": True},
        "model": {"widths": [16]} if optimizer == "muon" else "linear",
        "settings": {"epochs": 12 if wants_everything else 5},
    }


def dataset(group: str, experiment: Experiment, tiny: Dataset) -> Dataset:
    """The tiny images; digits for an optimizer; the data of the option itself if it has its own.

    An optimizer that is meant for full batches gets the tiny images, a step on which costs little.
    """
    source = experiment.data
    has_its_own = source.ignores or source.generates or source.symbols
    learns_digits = group == "optimizer" and not isinstance(experiment.batch_size, Full)
    return experiment.data.load() if has_its_own or learns_digits else tiny


def nearby(group: str, name: str, field: str) -> float:
    """Another value within the field's range."""
    value = read_option(group, name)[field]
    return another(value, OPTIONS[group][name].__dataclass_fields__[field].metadata["range"])


@pytest.mark.parametrize(("group", "name"), every_option())
def test_yaml_and_class_are_the_same_set_with_the_same_defaults(group: str, name: str) -> None:
    check_defaults(group, name, CONF)


@pytest.mark.parametrize(("group", "name"), every_option())
def test_classes_are_abstract_or_final(group: str, name: str) -> None:
    """An option derives from the base of its group and from no option; bases are no options."""
    check_class(group, name)
    cls = OPTIONS[group][name]
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
    check_comments(group, name, CONF)


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


def with_other_numbers(group: str, name: str) -> list[Experiment]:
    """The experiment with an option, and with another value of each of its floats."""
    fields = float_fields(group, name)
    changed = [with_option(group, name, **{f: nearby(group, name, f)}) for f in fields]
    return [with_option(group, name), *changed]


@pytest.mark.parametrize(("group", "name"), IN_A_RUN)
def test_floats_are_data(group: str, name: str, tiny: Dataset) -> None:
    check_in_a_run(with_other_numbers(group, name), group, tiny)


@pytest.mark.parametrize("group", IN_A_STACK)
def test_floats_of_options_that_can_be_stacked_are_data(group: str, tiny: Dataset) -> None:
    """All that act in a run in one stack, which is compiled once."""
    names = IN_A_STACK[group]

    def stack(changed: str = "", **numbers: float) -> Experiment:
        chosen = [{"name": name, **(numbers if name == changed else {})} for name in names]
        return with_choices({group: chosen})

    fields = [(name, field) for name in names for field in float_fields(group, name)]
    changed = [stack(name, **{field: nearby(group, name, field)}) for name, field in fields]
    check_in_a_run([stack(), *changed], group, tiny)


def check_in_a_run(experiments: list[Experiment], group: str, tiny: Dataset) -> None:
    data = dataset(group, experiments[0], tiny)
    rest = place(experiments[0], data), STEPS, timeline(STEPS)
    check_floats_are_data(
        experiments,
        lambda one: run_alone(one, *rest),
        lambda all: run_as_lanes(all, *rest),
        tolerance=5e-4,  # batched sums round differently, and ten steps amplify that
    )


def on_a_problem(experiment: Experiment) -> tuple[Any, Any]:
    """Where an optimizer is after some steps on the problem of `rules.py`, and what it evaluates.

    All that its numbers act on, but its learning rate, is in the rule that it builds.
    """
    optimizer, params = experiment.optimizer, as_tree(jnp.asarray(rules.START, jnp.float32))
    rate = jnp.asarray(optimizer.learning_rate)
    trained, state = lax.fori_loop(
        0,
        STEPS,
        lambda t, at: stepped(optimizer, rate, t, *at),
        (params, optimizer.build(rate).init(params)),
    )
    return trained, optimizer.evaluated(state, trained)


problem_alone = jax.jit(on_a_problem)
problem_as_lanes = jax.jit(jax.vmap(problem_alone))


@pytest.mark.parametrize("name", OPTIONS["optimizer"])
def test_floats_of_an_optimizer_are_data(name: str) -> None:
    check_floats_are_data(
        with_other_numbers("optimizer", name),
        problem_alone,
        problem_as_lanes,
        tolerance=5e-2 if name in UNSTEADY else 5e-4,
    )


@pytest.mark.parametrize("name", OPTIONS["optimizer"])
def test_an_optimizer_learns(name: str, tiny: Dataset) -> None:
    """Every optimizer lowers the losses of a run with its defaults, and numbers stay finite."""
    experiment = with_option("optimizer", name)
    data = dataset("optimizer", experiment, tiny)
    check_that_it_learns(
        experiment, jax.device_get(train(experiment, data, experiment.total_steps))
    )


def at_the_start(experiment: Experiment, arrays: Arrays) -> tuple[State, tuple[Any, Params]]:
    """The initial state; the outputs' mean square and mean loss there, and the gradient."""
    state, network = initial_state(experiment, arrays), experiment.network()
    statistics = experiment.preprocessing.ready(arrays.statistics)
    inputs = experiment.preprocessing(statistics, arrays.inputs)

    def objective(params: Params) -> jax.Array:
        outputs = network.apply(params, state.layers, inputs, True)[0]
        losses, _ = experiment.losses_and_errors(outputs, arrays.targets)
        return (outputs**2).mean() + losses.mean()

    return state, jax.value_and_grad(objective)(state.params)


start_alone = jax.jit(at_the_start)
start_as_lanes = jax.jit(jax.vmap(start_alone, in_axes=(0, None)))


@pytest.mark.parametrize(("group", "name"), [o for o in WITH_FLOATS if o in OF_THE_NETWORK])
def test_floats_of_a_network_are_data(group: str, name: str, tiny: Dataset) -> None:
    experiments = with_other_numbers(group, name)
    arrays = place(experiments[0], dataset(group, experiments[0], tiny))
    alone = check_floats_are_data(
        experiments,
        lambda one: start_alone(one, arrays),
        lambda all: start_as_lanes(all, arrays),
        tolerance=4e-4,
    )
    if group in ("data", "preprocessing"):
        return  # their numbers may act elsewhere than at the start, or on other data
    gradients = [jax.tree.leaves(gradient) for _, gradient in jax.device_get(alone)]
    for other in gradients[1:]:
        differences = [abs(a - b).max() for a, b in zip(gradients[0], other, strict=True)]
        assert max(differences) > 1e-7, "the number has an effect"


def in_time(experiment: Experiment) -> tuple[jax.Array, jax.Array]:
    """The learning rate and the momentum of every step, with a loss that ceases to fall."""
    phases = jax.tree.map(jnp.asarray, one_phase(4))

    def step(memory: Any, at: tuple[jax.Array, jax.Array]) -> tuple[Any, Any]:
        number, loss = at
        clock = Clock(number, number / 4, STEPS, STEPS / 4, phases)
        rate = experiment.warmup.multiplier(experiment.schedule, clock, memory)
        rate *= experiment.batch_size.learning_rate_scale(36)
        momentum = optimizer_at(experiment, clock).momentum
        return experiment.schedule.observe(memory, loss), (rate, momentum)

    losses = jnp.maximum(1.0 - jnp.arange(STEPS) / 3, 0.5)
    return lax.scan(step, experiment.schedule.init(), (jnp.arange(STEPS), losses))[1]


in_time_alone = jax.jit(in_time)
in_time_as_lanes = jax.jit(jax.vmap(in_time_alone))


@pytest.mark.parametrize(("group", "name"), IN_TIME)
def test_floats_that_act_in_time_are_data(group: str, name: str) -> None:
    experiments = with_other_numbers(group, name)
    check_floats_are_data(experiments, in_time_alone, in_time_as_lanes, tolerance=1e-6)


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
    chosen.remove(("loss", "cross_entropy"))  # what the default is for classes
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
