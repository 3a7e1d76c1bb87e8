"""What an option is: a frozen dataclass, its floats pytree leaves, everything else structure.

From this rule alone follows that a new learning rate compiles nothing, that runs which differ only
in numbers can be stacked leaf by leaf, and that an option's behaviour can live beside its numbers.

    @option
    class Adam(Optimizer):
        learning_rate: float = number(0.001, minimum=0)   # a leaf
        nesterov: bool = False                            # structure

A field annotated `float` is a leaf, as is a field that holds another option and an integer declared
with `leaf`. Every other field (`int`, `bool`, `str`, `Literal[...]`, tuples) is part of the tree's
structure and selects a different compiled program.

Leaves may be tracers, so nothing here looks at their values: `__post_init__` runs on tracers too.
Ranges are declared with the field and checked once, on the composed config, by
`runner.config.build`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import (
    Any,
    NamedTuple,
    TypeVar,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from runner.lazy import jax

_Class = TypeVar("_Class", bound=type)


@dataclasses.dataclass(frozen=True)
class Range:
    """The values a number may take: `minimum` and `maximum` included, `above` and `below` not."""

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
    """A numeric field with its range (checked by `runner.config.build`, never by the class)."""
    limits = Range(minimum, above, maximum, below)
    return dataclasses.field(default=default, metadata={"range": limits})


def leaf(
    default: Any = dataclasses.MISSING,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Any:
    """An integer (or a tuple of them) that is data, not structure: a seed, a length, a date."""
    return dataclasses.field(
        default=default, metadata={"leaf": True, "range": Range(minimum=minimum, maximum=maximum)}
    )


class Facts(NamedTuple):
    """What an option may need to know of the rest of the run to judge its own numbers.

    `batch_size` and `steps_per_epoch` are those of the first epoch. `scheduled_steps` and
    `scheduled_epochs` are what warm-up leaves of the run for the schedule. `momenta` are the keys
    of the optimizer that may follow a schedule of their own. `parameters()` counts the trained
    numbers, which takes a second: it is asked only by those who must know.
    """

    input_shape: tuple[int, ...]
    train_examples: int
    batch_size: int
    steps_per_epoch: int
    total_steps: int
    total_epochs: float
    scheduled_steps: float
    scheduled_epochs: float
    momenta: tuple[str, ...]
    generates_data: bool
    normalizes_over_batch: bool
    parameters: Callable[[], int]

    def scheduled(self, unit: str) -> float:
        """The length of the schedule's part of the run, in epochs or steps."""
        return self.scheduled_epochs if unit == "epoch" else self.scheduled_steps


@dataclasses.dataclass(frozen=True)
class Option:
    """Base of every option class; `option` turns a subclass into a pytree.

    Both checks below run on plain Python numbers, after types and ranges were found right.
    """

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield `(field, what is wrong)` for numbers that contradict each other."""
        yield from ()

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Yield `(field, what is wrong)` for numbers that do not fit the rest of the run."""
        yield from ()

    def cautions(self, facts: Facts) -> Iterator[str]:
        """Yield what the user should know before trusting such a run; it is run all the same."""
        yield from ()


_unregistered: list[type] = []
_jax_is_loaded = False


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(number, leaf))
def option(cls: _Class) -> _Class:
    """Make `cls` a frozen, keyword-only dataclass and a pytree (see the module's docstring)."""
    cls = dataclasses.dataclass(frozen=True, kw_only=True)(cls)  # type: ignore[assignment]
    _unregistered.append(cls)
    if _jax_is_loaded:
        register_pytrees()
    return cls


def register_pytrees() -> None:
    """Tell JAX about every option class declared so far, and about later ones as they appear."""
    global _jax_is_loaded
    _jax_is_loaded = True
    while _unregistered:
        _register(_unregistered.pop())


def _register(cls: type) -> None:
    """Tell JAX which fields of a class are children and which are structure.

    Not by `jax.tree_util.register_dataclass`, for which two classes with equal fields have *equal*
    structures (seen with JAX 0.10 to 0.12; only their hashes differ): programs are looked up by
    structure, and one run in a hundred would be computed by the program of another optimizer.
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


def leaf_names(cls: type) -> list[str]:
    """The names of the fields of `cls` that are data (floats, options, declared leaves)."""
    types = get_type_hints(cls)
    return [
        field.name
        for field in dataclasses.fields(cls)
        if field.metadata.get("leaf")
        or types[field.name] is float
        or holds_option(types[field.name])
        or is_stack(types[field.name])
    ]


def holds_option(expected: Any) -> bool:
    """Whether this is the type of a field that holds another option."""
    return isinstance(expected, type) and issubclass(expected, Option)


def is_stack(expected: Any) -> bool:
    """Whether a field of this type holds any number of options: `tuple[Option, ...]`."""
    return get_origin(expected) is tuple and holds_option(get_args(expected)[0])
