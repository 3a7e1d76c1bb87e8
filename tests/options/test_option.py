"""The rule that floats are leaves and everything else is structure."""

from __future__ import annotations

import copy
from abc import abstractmethod

import jax
import jax.numpy as jnp
import pytest

from runner.options.option import Option, Range, leaf, leaf_names, number, option, register_pytrees

register_pytrees()


@option
class Inner(Option):
    rate: float = 0.5
    width: int = 3


@option
class Outer(Option):
    inner: Inner
    scale: float = 2.0
    nesterov: bool = False
    widths: tuple[int, ...] = (4,)
    seed: int = leaf(0)
    steps: int | None = leaf(None)


def test_floats_options_and_declared_integers_are_leaves() -> None:
    assert leaf_names(Outer) == ["inner", "scale", "seed", "steps"]
    outer = Outer(inner=Inner(rate=0.25), scale=3.0, seed=7)
    assert jax.tree.leaves(outer) == [0.25, 3.0, 7]


@pytest.mark.parametrize(
    ("changed", "same_structure"),
    [
        ({"scale": 5.0}, True),
        ({"seed": 9}, True),
        ({"inner": Inner(rate=0.1)}, True),
        ({"inner": Inner(width=4)}, False),
        ({"nesterov": True}, False),
        ({"widths": (4, 4)}, False),
        ({"steps": 3}, False),
    ],
)
def test_structure_is_what_is_not_a_number(changed: dict, same_structure: bool) -> None:
    first = Outer(inner=Inner())
    second = Outer(**{"inner": Inner(), **changed})
    assert (jax.tree.structure(first) == jax.tree.structure(second)) is same_structure


def test_a_traced_leaf_compiles_once() -> None:
    traces = []

    @jax.jit
    def double(outer: Outer) -> jax.Array:
        traces.append(outer)
        return jnp.asarray(outer.scale) * 2

    assert [float(double(Outer(inner=Inner(), scale=x))) for x in (1.0, 2.0, 3.0)] == [2, 4, 6]
    assert len(traces) == 1


def test_a_class_declared_after_registration_is_a_pytree_too() -> None:
    @option
    class Late(Option):
        rate: float = number(0.1, minimum=0)

    assert jax.tree.leaves(Late()) == [0.1]


def test_a_range_includes_and_excludes_its_ends() -> None:
    limits = Range(minimum=0, below=1)
    assert [value in limits for value in (-0.1, 0, 0.5, 1)] == [False, True, True, False]
    limits = Range(above=0, maximum=1)
    assert [value in limits for value in (0, 1e-9, 1, 1.1)] == [False, True, True, False]
    assert str(Range(minimum=0, below=1)) == "at least 0 and less than 1"


class Shape(Option):
    """A base with a method that its options must define."""

    @abstractmethod
    def area(self) -> float: ...


def test_an_option_that_lacks_an_abstract_method_cannot_be_instantiated() -> None:
    @option
    class Blob(Shape):
        size: float = 1.0

    with pytest.raises(TypeError, match=r"Blob.*area"):
        Blob()


def test_a_base_cannot_be_instantiated() -> None:
    class Plain(Option):
        """Nothing abstract in it, and not declared with the decorator."""

    for base, words in ((Shape, "area"), (Plain, "option"), (Option, "option")):
        with pytest.raises(TypeError, match=f"{base.__name__}.*{words}"):
            base()


def test_a_complete_option_survives_flattening() -> None:
    @option
    class Square(Shape):
        side: float = 2.0

        def area(self) -> float:
            return self.side**2

    assert jax.tree.map(lambda x: x + 1, Square()).area() == 9.0
    assert copy.deepcopy(Square(side=3.0)) == Square(side=3.0)
