"""The permutation that orders an epoch; for whole epochs see tests/experiment/test_plan.py."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from runner.options.sampling import permutation


@pytest.mark.parametrize("count", [1, 1000, 200_000])
def test_a_permutation_is_the_one_of_jax(count: int) -> None:
    """To the bit, for no, one and two sorts; of 200,000 rows some have equal random bits."""
    key = jax.random.key(7)
    drawn = jax.jit(permutation, static_argnums=1)(key, count)
    expected = jax.random.permutation(key, count)
    assert drawn.dtype == expected.dtype
    np.testing.assert_array_equal(drawn, expected)
