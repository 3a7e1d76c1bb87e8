"""Spectra of matrices that are known, from products alone, against NumPy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from runner.options.diagnostics.lanczos import Spectrum, lanczos_spectrum, whole_spectrum

SIZE = 60


def matrix(eigenvalues: np.ndarray) -> np.ndarray:
    """A symmetric matrix with these eigenvalues and random eigenvectors."""
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(SIZE, SIZE)))
    return (rotation * eigenvalues) @ rotation.T


def spectrum(a: np.ndarray, iterations: int, probes: int = 1) -> Spectrum:
    a = jnp.asarray(a, jnp.float32)
    of = jax.jit(
        lambda key: lanczos_spectrum(lambda v: a @ v, SIZE, iterations, probes, key),
    )
    return Spectrum(*map(np.asarray, of(jax.random.key(1))))


def test_all_eigenvalues_come_out_of_as_many_iterations() -> None:
    eigenvalues = np.sort(np.random.default_rng(1).normal(size=SIZE))
    found = spectrum(matrix(eigenvalues), SIZE)
    np.testing.assert_allclose(found.eigenvalues, eigenvalues, atol=1e-5)
    whole = whole_spectrum(lambda v: jnp.asarray(matrix(eigenvalues), jnp.float32) @ v, SIZE)
    np.testing.assert_allclose(whole.eigenvalues, eigenvalues, atol=1e-5)
    np.testing.assert_allclose(whole.trace, eigenvalues.sum(), rtol=1e-4)


def test_an_eigenvalue_is_within_the_residual_of_each_ritz_value() -> None:
    eigenvalues = np.append(np.random.default_rng(1).normal(size=SIZE - 1), 20.0)
    found = spectrum(matrix(eigenvalues), 8)
    distances = np.abs(found.eigenvalues[:, None] - eigenvalues).min(1)
    assert np.all(distances <= found.residuals + 1e-5)
    assert found.residuals[-1] < 1e-4, "the outlier has converged"
    assert found.residuals[:-1].max() > 0.1, "others have not, and it is said"


def test_quadrature_gives_the_moments_of_a_starting_vector() -> None:
    """For m iterations up to the power 2 m - 1: Golub & Welsch 1969."""
    a = matrix(np.random.default_rng(1).uniform(-1, 2, SIZE))
    found = spectrum(a, 4)
    signs = jax.random.rademacher(jax.random.split(jax.random.key(1), 1)[0], (SIZE,), float)
    v = np.asarray(signs, float) / np.sqrt(SIZE)
    for power in range(8):
        moment = v @ np.linalg.matrix_power(a, power) @ v
        assert found.weights @ found.eigenvalues**power == pytest.approx(moment, rel=1e-4)
    assert np.isnan(found.trace_error), "of a single estimate nothing is known"


def test_the_mean_of_many_starting_vectors_is_that_of_the_spectrum() -> None:
    eigenvalues = np.repeat([-1.0, 0.0, 5.0], [12, 42, 6])
    found = spectrum(matrix(eigenvalues), 5, probes=200)
    assert found.trace == pytest.approx(eigenvalues.sum(), abs=4 * float(found.trace_error) + 1e-3)
    for value, share in ((-1, 0.2), (0, 0.7), (5, 0.1)):
        near = np.abs(found.eigenvalues - value) < 0.01
        assert found.weights[near].sum() == pytest.approx(share, abs=0.02)
    assert found.weights.sum() == pytest.approx(1, abs=1e-4)


def test_the_trace_is_exact_where_the_iteration_has_been() -> None:
    """Random signs alone would be off by half of the outlier; there are 2 estimates."""
    eigenvalues = np.append(np.random.default_rng(1).normal(size=SIZE - 1), 1000.0)
    found = spectrum(matrix(eigenvalues), 8, probes=2)
    assert found.trace == pytest.approx(eigenvalues.sum(), abs=20)
    assert abs(found.trace - eigenvalues.sum()) < 4 * found.trace_error < 100
    mean = np.mean([spectrum(matrix(eigenvalues), 4, probes=400).trace - eigenvalues.sum()])
    assert abs(mean) < 2


@pytest.mark.parametrize("values", [[3.0], [0.0], [2.0, 5.0]])
def test_a_spectrum_of_few_values_is_exhausted_and_no_other_value_appears(
    values: list[float],
) -> None:
    eigenvalues = np.resize(values, SIZE)
    found = spectrum(matrix(eigenvalues), 10)
    distances = np.abs(found.eigenvalues[:, None] - eigenvalues).min(1)
    assert distances.max() < 1e-4
    assert found.residuals.max() < 1e-3


def test_what_is_not_finite_has_no_spectrum() -> None:
    found = spectrum(matrix(np.ones(SIZE)) * np.nan, 3)
    assert np.isnan(found.eigenvalues).all()
    assert np.isnan(found.trace)
