"""What an option is: a frozen dataclass whose floats are pytree leaves and the rest structure.

It follows from this rule that a new learning rate compiles nothing, that runs which differ only in
numbers can be stacked leaf by leaf, and that the behaviour of an option is defined beside its
numbers.

    @option
    class Adam(Optimizer):
        learning_rate: float = number(0.001, minimum=0)   # a leaf
        nesterov: bool = False                            # structure

A field annotated `float` is a leaf, as is a field that holds another option and an integer declared
with `leaf`. One annotated `float | None` is a leaf if it has a number, and one annotated `PerLayer`
is one leaf, or one for each layer. Every other field (`int`, `bool`, `str`, `Literal[...]`, tuples)
is part of the tree's structure and selects a different compiled program.

Leaves may be tracers, so nothing here looks at their values: `__post_init__` runs on tracers too.
Ranges are declared with the field and checked once, on the composed config, by
`runner.config.build`.

A class is abstract or final: the bases of the groups cannot be instantiated, and neither can an
option that lacks a method its base declares abstract.
"""

from __future__ import annotations

import dataclasses
import functools
from abc import ABC
from collections.abc import Callable, Iterable, Iterator
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    NamedTuple,
    Self,
    TypeVar,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from runner.lazy import jax

_Class = TypeVar("_Class", bound=type)

if TYPE_CHECKING:
    PerLayer = float  # what it is in the option of one layer
else:
    PerLayer = float | tuple[float, ...]
"""The type of a number that may differ by layer: one for all, or a tuple with one for each."""


@dataclasses.dataclass(frozen=True)
class Range:
    """The values a number may take: from `minimum` to `maximum`, or strictly between two bounds."""

    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    below: float | None = None

    def __contains__(self, value: float) -> bool:
        return (
            (self.minimum is None or value >= self.minimum)
            and (self.above is None or value > self.above)
            and (self.maximum is None or value <= self.maximum)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        """The range in words: `at least 0 and less than 1`."""
        parts = [
            f"{words} {bound:g}"
            for words, bound in (
                ("at least", self.minimum),
                ("greater than", self.above),
                ("at most", self.maximum),
                ("less than", self.below),
            )
            if bound is not None
        ]
        return " and ".join(parts)


def number(
    default: Any = dataclasses.MISSING,
    *,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    below: float | None = None,
) -> Any:
    """Declare a numeric field with its range, which `runner.config.build` checks.

    Args:
        default: the value where the config gives none; without it the field is required.
        minimum: the least value allowed.
        above: a bound that the value must exceed.
        maximum: the largest value allowed.
        below: a bound that the value must stay below.
    """
    limits = Range(minimum, above, maximum, below)
    return dataclasses.field(default=default, metadata={"range": limits})


def leaf(
    default: Any = dataclasses.MISSING,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Any:
    """Declare an integer (or a tuple of integers) that is data: a seed, a length, a milestone.

    Args:
        default: the value where the config gives none; without it the field is required.
        minimum: the least value allowed.
        maximum: the largest value allowed.
    """
    return dataclasses.field(
        default=default, metadata={"leaf": True, "range": Range(minimum=minimum, maximum=maximum)}
    )


class HiddenLayer(NamedTuple):
    """The size of a hidden layer, and where its parameters are."""

    units: int  # or channels
    has_positions: bool  # whether the units are channels of images, with a number at each position
    path: str = ""  # of its parameters, keys joined by dots; empty: the model does not say


class Facts(NamedTuple):
    """What an option may need to know about the rest of the run to check its own numbers."""

    stored_shape: tuple[int, ...]  # of one example
    input_shape: tuple[int, ...]  # of one example as the network gets it
    train_examples: int
    validation_examples: int
    batch_size: int  # in the first epoch
    steps_per_epoch: int  # in the first epoch
    total_steps: int
    total_epochs: float
    evaluations: int  # after the one at the start
    scheduled_steps: float  # of the part of the run after the warm-up
    scheduled_epochs: float  # of the part of the run after the warm-up
    momenta: tuple[str, ...]  # the optimizer's fields that a momentum schedule may set
    classes: int  # 0: the targets are numbers
    smooths_labels: bool  # whether label smoothing is defined for the loss
    generates_data: bool  # whether the data source can draw new examples
    normalizes_over_batch: bool  # whether the examples of a batch depend on each other
    model_is_spatial: bool  # whether the model uses which pixels are beside each other
    layers: int | None  # of the network, those with a kernel; None: the model does not say
    hidden_layers: tuple[HiddenLayer, ...] | None  # None: the model does not say
    symbols: int  # how many symbols the inputs stand for; 0: they are numbers
    each_step: bool  # whether there is a target at each step of a sequence
    normalizes_after_activation: bool  # whether a normalizing layer follows the activation
    is_recurrent: bool  # whether the model has a state that it reads a sequence into
    error_is_rate: bool  # whether the error is a share of wrong predictions, and not a distance
    self_normalizes: bool  # whether the activation keeps mean 0 and variance 1 (SELU)
    has_network: bool  # and not a problem that brings parameters of its own
    parameters: Callable[[], int]  # counts the trained numbers, which takes about a second

    def scheduled(self, unit: str) -> float:
        """Return the length of the run after the warm-up, in epochs or steps."""
        return self.scheduled_epochs if unit == "epoch" else self.scheduled_steps


@dataclasses.dataclass(frozen=True)
class Option(ABC):  # noqa: B024  # its subclasses have the abstract methods
    """Base of every option class; the decorator `option` makes a subclass a pytree.

    The checks below run on plain Python numbers whose types and ranges are right.
    """

    _is_final: ClassVar[bool] = False

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Refuse to instantiate a base class.

        Raises:
            TypeError: `cls` has abstract methods, or is not declared with `option`.
        """
        instance = super().__new__(cls)  # names the abstract methods
        if not is_option(cls):
            raise TypeError(
                f"Can't instantiate {cls.__name__}: it is not declared with the decorator `option`"
            )
        return instance

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield `(field, what is wrong)` for numbers that contradict each other."""
        yield from ()

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Yield `(field, what is wrong)` for numbers that do not fit the rest of the run.

        The field `name` stands for the option as a whole.
        """
        yield from ()

    def cautions(self, facts: Facts) -> Iterator[str]:
        """Yield warnings that the user should read before trusting the run."""
        yield from ()


_unregistered: list[type] = []
_jax_is_loaded = False


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(number, leaf))
def option(cls: _Class) -> _Class:
    """Make `cls` a frozen, keyword-only dataclass and a pytree (see the module's docstring)."""
    cls = dataclasses.dataclass(frozen=True, kw_only=True)(cls)  # type: ignore[assignment]
    cls._is_final = True  # type: ignore[attr-defined]
    _unregistered.append(cls)
    if _jax_is_loaded:
        register_pytrees()
    return cls


def register_pytrees() -> None:
    """Register every option class declared so far as a pytree, and later ones when declared."""
    global _jax_is_loaded
    _jax_is_loaded = True
    while _unregistered:
        _register(_unregistered.pop())


def _register(cls: type) -> None:
    """Register a class as a pytree: which of its fields are children and which are structure.

    `jax.tree_util.register_dataclass` is no choice: two classes with equal fields have *equal*
    structures there (JAX 0.10 to 0.12; only their hashes differ). Programs are looked up by
    structure, so one run in a hundred would be computed by the program of another optimizer.
    """
    leaves = leaf_names(cls)
    structure = [field.name for field in dataclasses.fields(cls) if field.name not in leaves]
    keys = [jax.tree_util.GetAttrKey(name) for name in leaves]

    def flatten(chosen: Any) -> tuple[list[Any], tuple[Any, ...]]:
        children = [getattr(chosen, name) for name in leaves]
        return children, (cls, *(getattr(chosen, name) for name in structure))

    def flatten_with_keys(chosen: Any) -> tuple[list[Any], tuple[Any, ...]]:
        children, kept = flatten(chosen)
        return list(zip(keys, children, strict=True)), kept

    def unflatten(kept: tuple[Any, ...], children: Iterable[Any]) -> Any:
        values = dict(zip(leaves, children, strict=True))
        return cls(**values, **dict(zip(structure, kept[1:], strict=True)))

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)


def is_option(cls: type) -> bool:
    """Return whether `cls` itself, and not only a base of it, is declared with `option`."""
    return bool(vars(cls).get("_is_final"))


def leaf_names(cls: type) -> list[str]:
    """Return the names of the fields of `cls` that are data: floats, options, declared leaves."""
    types = get_type_hints(cls)
    return [
        field.name
        for field in dataclasses.fields(cls)
        if field.metadata.get("leaf")
        or types[field.name] in (float, float | None, PerLayer)
        or holds_option(types[field.name])
        or is_stack(types[field.name])
    ]


@functools.cache  # asked for every run of a sweep
def per_layer_names(cls: type) -> tuple[str, ...]:
    """Return the names of the fields of `cls` that may have a number for each layer."""
    types = get_type_hints(cls)
    return tuple(field.name for field in dataclasses.fields(cls) if types[field.name] == PerLayer)


def holds_option(expected: Any) -> bool:
    """Return whether this is the type of a field that holds another option."""
    return isinstance(expected, type) and issubclass(expected, Option)


def is_stack(expected: Any) -> bool:
    """Return whether a field of this type holds any number of options: `tuple[Option, ...]`."""
    return get_origin(expected) is tuple and holds_option(get_args(expected)[0])
