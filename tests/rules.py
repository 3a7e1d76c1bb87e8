"""The published rule of every optimizer, in a few lines of NumPy each, on one small problem.

Parameters are one vector of 15 numbers, of which the engine sees the first 12 as a kernel of 4 by 3
and the last 3 as a bias. A rule is a generator: it is handed the start and the learning rate of
each step, and yields the point after each step (with the point to evaluate, where that is another).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

STEPS = 12
KERNEL, BIAS = slice(0, 12), slice(12, 15)
SHAPE = (4, 3)
IS_KERNEL = np.arange(15) < 12
START = np.random.default_rng(5).normal(size=15)

_random = np.random.default_rng(3)
_factor = _random.normal(size=(15, 15)) / 4
_MATRIX = _factor @ _factor.T + 0.1 * np.eye(15)

Rate = Callable[[int], float]
Path = Iterator[Any]


def loss(theta: Any) -> Any:
    """A quartic bowl: neither linear nor quadratic, convex, least at 0."""
    return 0.5 * theta @ _MATRIX @ theta + 0.075 * (theta**4).sum()


def gradient(theta: np.ndarray) -> np.ndarray:
    return _MATRIX @ theta + 0.3 * theta**3


def hessian(theta: np.ndarray) -> np.ndarray:
    return _MATRIX + np.diag(0.9 * theta**2)


def sgd(theta: np.ndarray, rate: Rate) -> Path:
    for t in range(STEPS):
        theta = theta - rate(t) * gradient(theta)
        yield theta


def momentum(theta: np.ndarray, rate: Rate) -> Path:
    velocity = np.zeros_like(theta)
    for t in range(STEPS):
        velocity = 0.8 * velocity + gradient(theta)
        theta = theta - rate(t) * velocity
        yield theta


def nesterov(theta: np.ndarray, rate: Rate) -> Path:
    velocity = np.zeros_like(theta)
    for t in range(STEPS):
        slope = gradient(theta)
        velocity = 0.8 * velocity + slope
        theta = theta - rate(t) * (slope + 0.8 * velocity)
        yield theta


def momentum_rate_inside(theta: np.ndarray, rate: Rate) -> Path:
    """Sutskever et al. 2013, eq. 1 and 2."""
    velocity = np.zeros_like(theta)
    for t in range(STEPS):
        velocity = 0.8 * velocity - rate(t) * gradient(theta)
        theta = theta + velocity
        yield theta


def nesterov_rate_inside(theta: np.ndarray, rate: Rate) -> Path:
    """Sutskever et al. 2013, eq. 3 and 4; what is trained is their look-ahead point."""
    point, velocity = theta, np.zeros_like(theta)
    for t in range(STEPS):
        velocity = 0.8 * velocity - rate(t) * gradient(point + 0.8 * velocity)
        point = point + velocity
        yield point + 0.8 * velocity


def qhm(theta: np.ndarray, rate: Rate) -> Path:
    average = np.zeros_like(theta)
    for t in range(STEPS):
        slope = gradient(theta)
        average = 0.8 * average + (1 - 0.8) * slope
        theta = theta - rate(t) * ((1 - 0.6) * slope + 0.6 * average)
        yield theta


def aggmo(theta: np.ndarray, rate: Rate) -> Path:
    velocities = [np.zeros_like(theta) for _ in range(3)]
    for t in range(STEPS):
        slope = gradient(theta)
        velocities = [
            b * v + slope for b, v in zip((0.0, 1 - 0.2, 1 - 0.04), velocities, strict=True)
        ]
        theta = theta - rate(t) / 3 * sum(velocities)
        yield theta


def sign_sgd(theta: np.ndarray, rate: Rate) -> Path:
    for t in range(STEPS):
        theta = theta - rate(t) * np.sign(gradient(theta))
        yield theta


def lion(theta: np.ndarray, rate: Rate, decays: np.ndarray = IS_KERNEL) -> Path:
    m = np.zeros_like(theta)
    for t in range(STEPS):
        slope = gradient(theta)
        direction = np.sign(0.8 * m + 0.2 * slope)
        m = 0.95 * m + 0.05 * slope
        theta = theta - rate(t) * (direction + 0.1 * decays * theta)
        yield theta


def lion_decaying_everything(theta: np.ndarray, rate: Rate) -> Path:
    return lion(theta, rate, np.ones(15))


def delta_bar_delta(theta: np.ndarray, rate: Rate) -> Path:
    rates, mean = np.full(15, rate(0)), np.zeros(15)
    for t in range(STEPS):
        slope = gradient(theta)
        for i in range(15):
            if mean[i] * slope[i] > 0:
                rates[i] += 0.01
            elif mean[i] * slope[i] < 0:
                rates[i] *= 1 - 0.2
        mean = 0.4 * slope + 0.6 * mean
        theta = theta - rate(t) / rate(0) * rates * slope
        yield theta


def rprop(theta: np.ndarray, rate: Rate) -> Path:
    sizes, last = np.full(15, rate(0)), np.zeros(15)
    for t in range(STEPS):
        slope = gradient(theta)
        for i in range(15):
            if last[i] * slope[i] > 0:
                sizes[i] = min(sizes[i] * 1.3, 0.5)
            elif last[i] * slope[i] < 0:
                sizes[i] = max(sizes[i] * 0.4, 0.01)
                slope[i] = 0
        theta = theta - rate(t) / rate(0) * sizes * np.sign(slope)
        last = slope
        yield theta


def adagrad(theta: np.ndarray, rate: Rate) -> Path:
    total = np.full(15, 0.1)
    for t in range(STEPS):
        slope = gradient(theta)
        total = total + slope**2
        theta = theta - rate(t) * slope / (np.sqrt(total) + 1e-3)
        yield theta


def adagrad_inside(theta: np.ndarray, rate: Rate) -> Path:
    total = np.zeros(15)
    for t in range(STEPS):
        slope = gradient(theta)
        total = total + slope**2
        theta = theta - rate(t) * slope / np.sqrt(total + 1e-3)
        yield theta


def adadelta(theta: np.ndarray, rate: Rate) -> Path:
    squares, steps = np.zeros(15), np.zeros(15)
    for t in range(STEPS):
        slope = gradient(theta)
        squares = 0.9 * squares + 0.1 * slope**2
        step = np.sqrt(steps + 1e-3) / np.sqrt(squares + 1e-3) * slope
        steps = 0.9 * steps + 0.1 * step**2
        theta = theta - rate(t) * step
        yield theta


def rmsprop(theta: np.ndarray, rate: Rate) -> Path:
    v = np.zeros_like(theta)
    for t in range(STEPS):
        slope = gradient(theta)
        v = 0.8 * v + 0.2 * slope**2
        theta = theta - rate(t) * slope / (np.sqrt(v) + 1e-3)
        yield theta


def rmsprop_centered(theta: np.ndarray, rate: Rate) -> Path:
    v, m = np.zeros(15), np.zeros(15)
    for t in range(STEPS):
        slope = gradient(theta)
        v, m = 0.8 * v + 0.2 * slope**2, 0.8 * m + 0.2 * slope
        theta = theta - rate(t) * slope / np.sqrt(v - m**2 + 1e-3)
        yield theta


def rmsprop_momentum(theta: np.ndarray, rate: Rate) -> Path:
    """PyTorch's RMSprop with momentum."""
    v, u = np.zeros(15), np.zeros(15)
    for t in range(STEPS):
        slope = gradient(theta)
        v = 0.8 * v + 0.2 * slope**2
        u = 0.7 * u + slope / (np.sqrt(v) + 1e-3)
        theta = theta - rate(t) * u
        yield theta


def rmsprop_of_graves(theta: np.ndarray, rate: Rate) -> Path:
    """Graves 2013, eq. 38 to 41."""
    n, g, delta = np.zeros(15), np.zeros(15), np.zeros(15)
    for t in range(STEPS):
        slope = gradient(theta)
        n = 0.8 * n + 0.2 * slope**2
        g = 0.8 * g + 0.2 * slope
        delta = 0.7 * delta - rate(t) * slope / np.sqrt(n - g**2 + 1e-3)
        theta = theta + delta
        yield theta


def rmsprop_nesterov(theta: np.ndarray, rate: Rate) -> Path:
    """Goodfellow et al., algorithm 8.6: theta is the look-ahead point, w the point itself.

    Their velocity carries the rate; at a constant rate both forms are one path.
    """
    v, r, w = np.zeros(15), np.zeros(15), theta
    constant = rate(0) == rate(STEPS)
    u = np.zeros(15)
    for t in range(STEPS):
        slope = gradient(theta)
        r = 0.8 * r + 0.2 * slope**2
        ratio = slope / (np.sqrt(r) + 1e-3)
        if constant:
            v = 0.7 * v - rate(t) * ratio
            w = w + v
            theta = w + 0.7 * v
        else:
            u = 0.7 * u + ratio
            theta = theta - rate(t) * (ratio + 0.7 * u)
        yield theta


def yogi(theta: np.ndarray, rate: Rate) -> Path:
    m, v = np.zeros(15), np.full(15, 0.5)
    for t in range(STEPS):
        slope = gradient(theta)
        m = 0.8 * m + 0.2 * slope
        v = v - 0.1 * np.sign(v - slope**2) * slope**2
        theta = theta - rate(t) * m / (np.sqrt(v) + 1e-3)
        yield theta


def _moments(b1: float = 0.85, b2: float = 0.95) -> Callable[[np.ndarray], Any]:
    """A function that takes gradients and returns m, v, and both without their bias."""
    state = {"m": np.zeros(15), "v": np.zeros(15), "t": 0}

    def next_moments(slope: np.ndarray) -> Any:
        state["t"] += 1
        state["m"] = b1 * state["m"] + (1 - b1) * slope
        state["v"] = b2 * state["v"] + (1 - b2) * slope**2
        c1, c2 = 1 - b1 ** state["t"], 1 - b2 ** state["t"]
        return state["m"], state["v"], state["m"] / c1, state["v"] / c2

    return next_moments


def adam(theta: np.ndarray, rate: Rate) -> Path:
    moments = _moments()
    for t in range(STEPS):
        _, _, m, v = moments(gradient(theta))
        theta = theta - rate(t) * m / (np.sqrt(v) + 1e-3)
        yield theta


def adamw(theta: np.ndarray, rate: Rate) -> Path:
    moments = _moments()
    for t in range(STEPS):
        _, _, m, v = moments(gradient(theta))
        theta = theta - rate(t) * (m / (np.sqrt(v) + 1e-3) + 0.2 * IS_KERNEL * theta)
        yield theta


def adamw_of_the_paper(theta: np.ndarray, rate: Rate) -> Path:
    """Algorithm 2: the multiplier eta_t = rate(t) / rate(0) scales both, alpha only Adam's part."""
    moments, alpha = _moments(), rate(0)
    for t in range(STEPS):
        _, _, m, v = moments(gradient(theta))
        eta = rate(t) / alpha
        theta = theta - eta * (alpha * m / (np.sqrt(v) + 1e-3) + 0.2 * IS_KERNEL * theta)
        yield theta


def adamax(theta: np.ndarray, rate: Rate) -> Path:
    m, u = np.zeros(15), np.zeros(15)
    for t in range(STEPS):
        slope = gradient(theta)
        m = 0.85 * m + 0.15 * slope
        u = np.maximum(0.95 * u, abs(slope))
        theta = theta - rate(t) / (1 - 0.85 ** (t + 1)) * m / u
        yield theta


def nadam(theta: np.ndarray, rate: Rate) -> Path:
    m, v, product = np.zeros(15), np.zeros(15), 1.0
    mu = [0.85 * (1 - 0.5 * 0.96 ** (t * 0.1)) for t in range(STEPS + 2)]
    for t in range(1, STEPS + 1):
        slope = gradient(theta)
        product *= mu[t]
        m = mu[t] * m + (1 - mu[t]) * slope
        v = 0.95 * v + 0.05 * slope**2
        m_hat = mu[t + 1] * m / (1 - product * mu[t + 1]) + (1 - mu[t]) * slope / (1 - product)
        v_hat = v / (1 - 0.95**t)
        theta = theta - rate(t - 1) * m_hat / (np.sqrt(v_hat) + 1e-3)
        yield theta


def nadam_constant(theta: np.ndarray, rate: Rate) -> Path:
    m, v = np.zeros(15), np.zeros(15)
    for t in range(1, STEPS + 1):
        slope = gradient(theta)
        m, v = 0.85 * m + 0.15 * slope, 0.95 * v + 0.05 * slope**2
        m_hat = 0.85 * m / (1 - 0.85 ** (t + 1)) + 0.15 * slope / (1 - 0.85**t)
        theta = theta - rate(t - 1) * m_hat / (np.sqrt(v / (1 - 0.95**t)) + 1e-3)
        yield theta


def nadam_of_ruder(theta: np.ndarray, rate: Rate) -> Path:
    """Ruder 2016: the last of his equations for Nadam."""
    moments = _moments()
    for t in range(1, STEPS + 1):
        slope = gradient(theta)
        _, _, m_hat, v_hat = moments(slope)
        ahead = 0.85 * m_hat + (1 - 0.85) * slope / (1 - 0.85**t)
        theta = theta - rate(t - 1) / (np.sqrt(v_hat) + 1e-3) * ahead
        yield theta


def nadam_of_pytorch(theta: np.ndarray, rate: Rate) -> Path:
    """The algorithm on the page of `torch.optim.NAdam`, without weight decay."""
    moments, product = _moments(), 1.0
    for t in range(1, STEPS + 1):
        slope = gradient(theta)
        mu, next_mu = (0.85 * (1 - 0.5 * 0.96 ** (k * 0.1)) for k in (t, t + 1))
        product *= mu
        m, _, _, v_hat = moments(slope)
        m_hat = next_mu * m / (1 - product * next_mu) + (1 - mu) * slope / (1 - product)
        theta = theta - rate(t - 1) * m_hat / (np.sqrt(v_hat) + 1e-3)
        yield theta


def amsgrad(theta: np.ndarray, rate: Rate) -> Path:
    moments, largest = _moments(), np.zeros(15)
    for t in range(STEPS):
        m, v, _, _ = moments(gradient(theta))
        largest = np.maximum(largest, v)
        theta = theta - rate(t) * m / (np.sqrt(largest) + 1e-3)
        yield theta


def amsgrad_after(theta: np.ndarray, rate: Rate) -> Path:
    moments, largest = _moments(), np.zeros(15)
    for t in range(STEPS):
        _, v, m_hat, _ = moments(gradient(theta))
        largest = np.maximum(largest, v)
        corrected = largest / (1 - 0.95 ** (t + 1))
        theta = theta - rate(t) * m_hat / (np.sqrt(corrected) + 1e-3)
        yield theta


def amsgrad_before(theta: np.ndarray, rate: Rate) -> Path:
    moments, largest = _moments(), np.zeros(15)
    for t in range(STEPS):
        _, _, m_hat, v_hat = moments(gradient(theta))
        largest = np.maximum(largest, v_hat)
        theta = theta - rate(t) * m_hat / (np.sqrt(largest) + 1e-3)
        yield theta


def qhadam(theta: np.ndarray, rate: Rate) -> Path:
    moments = _moments()
    for t in range(STEPS):
        slope = gradient(theta)
        _, _, m, v = moments(slope)
        root = np.sqrt(0.1 * slope**2 + 0.9 * v)
        theta = theta - rate(t) * (0.4 * slope + 0.6 * m) / (root + 1e-3)
        yield theta


def radam(theta: np.ndarray, rate: Rate) -> Path:
    moments = _moments()
    limit = 2 / (1 - 0.95) - 1
    for t in range(1, STEPS + 1):
        _, _, m, v = moments(gradient(theta))
        rho = limit - 2 * t * 0.95**t / (1 - 0.95**t)
        if rho > 4:
            rectified = ((rho - 4) * (rho - 2) * limit) / ((limit - 4) * (limit - 2) * rho)
            theta = theta - rate(t - 1) * np.sqrt(rectified) * m / (np.sqrt(v) + 1e-3)
        else:
            theta = theta - rate(t - 1) * m
        yield theta


def adabelief(theta: np.ndarray, rate: Rate) -> Path:
    m, s = np.zeros(15), np.zeros(15)
    for t in range(1, STEPS + 1):
        slope = gradient(theta)
        m = 0.85 * m + 0.15 * slope
        s = 0.95 * s + 0.05 * (slope - m) ** 2 + 1e-3
        m_hat, s_hat = m / (1 - 0.85**t), s / (1 - 0.95**t)
        theta = theta - rate(t - 1) * m_hat / (np.sqrt(s_hat) + 1e-3)
        yield theta


def adan(theta: np.ndarray, rate: Rate) -> Path:
    """The paper's betas are one minus these."""
    b1, b2, b3 = 0.1, 0.2, 0.05
    decay = np.where(IS_KERNEL, 0.2, 0.0)
    last = m = v = n = None
    for t in range(STEPS):
        slope = gradient(theta)
        if last is None:
            m, v, n = slope, np.zeros(15), slope**2
        else:
            change = slope - last
            m = (1 - b1) * m + b1 * slope
            v = (1 - b2) * v + b2 * change
            n = (1 - b3) * n + b3 * (slope + (1 - b2) * change) ** 2
        last = slope
        eta = rate(t) / (np.sqrt(n) + 1e-3)
        theta = (theta - eta * (m + (1 - b2) * v)) / (1 + decay * rate(t))
        yield theta


def ademamix(theta: np.ndarray, rate: Rate, warmup: int = 0) -> Path:
    moments, slow = _moments(), np.zeros(15)
    for t in range(1, STEPS + 1):
        alpha, b3 = 3.0, 0.99
        if warmup:
            alpha = min(t / warmup, 1) * alpha
            first, last = np.log(0.85), np.log(0.99)
            if t < warmup:
                b3 = np.exp(first * last / ((1 - t / warmup) * last + t / warmup * first))
        slope = gradient(theta)
        slow = b3 * slow + (1 - b3) * slope
        _, _, m, v = moments(slope)
        step = (m + alpha * slow) / (np.sqrt(v) + 1e-3) + 0.2 * IS_KERNEL * theta
        theta = theta - rate(t - 1) * step
        yield theta


def ademamix_warmed_up(theta: np.ndarray, rate: Rate) -> Path:
    return ademamix(theta, rate, warmup=8)


def adopt(theta: np.ndarray, rate: Rate, clip: bool = True) -> Path:
    v, m = gradient(theta) ** 2, np.zeros(15)
    yield theta
    for t in range(1, STEPS):
        slope = gradient(theta)
        ratio = slope / np.maximum(np.sqrt(v), 1e-3)
        if clip:
            ratio = np.clip(ratio, -(t**0.25), t**0.25)
        m = 0.85 * m + 0.15 * ratio
        theta = theta - rate(t) * m
        v = 0.7 * v + 0.3 * slope**2
        yield theta


def adopt_unclipped(theta: np.ndarray, rate: Rate) -> Path:
    return adopt(theta, rate, clip=False)


def lars(theta: np.ndarray, rate: Rate) -> Path:
    v = np.zeros(15)
    for t in range(STEPS):
        slope = gradient(theta)
        w, g = theta[KERNEL], slope[KERNEL]
        trust = 0.05 * np.linalg.norm(w) / (np.linalg.norm(g) + 0.2 * np.linalg.norm(w))
        v[KERNEL] = 0.8 * v[KERNEL] + rate(t) * trust * (g + 0.2 * w)
        v[BIAS] = 0.8 * v[BIAS] + rate(t) * slope[BIAS]
        theta = theta - v
        yield theta


def lamb(theta: np.ndarray, rate: Rate) -> Path:
    moments = _moments()
    for t in range(STEPS):
        _, _, m, v = moments(gradient(theta))
        r = m / (np.sqrt(v) + 1e-3) + 0.2 * IS_KERNEL * theta
        theta = theta.copy()
        for layer in (KERNEL, BIAS):
            ratio = np.linalg.norm(theta[layer]) / np.linalg.norm(r[layer])
            theta[layer] -= rate(t) * ratio * r[layer]
        yield theta


def novograd(theta: np.ndarray, rate: Rate) -> Path:
    m, v = np.zeros(15), {}
    for t in range(STEPS):
        slope = gradient(theta)
        normalized = np.zeros(15)
        for name, layer in (("kernel", KERNEL), ("bias", BIAS)):
            square = (slope[layer] ** 2).sum()
            v[name] = 0.9 * v[name] + 0.1 * square if t else square
            normalized[layer] = slope[layer] / (np.sqrt(v[name]) + 1e-3)
        m = 0.8 * m + normalized + 0.2 * IS_KERNEL * theta
        theta = theta - rate(t) * m
        yield theta


def adafactor(theta: np.ndarray, rate: Rate) -> Path:
    rows, columns, v = np.zeros(4), np.zeros(3), np.zeros(3)
    for t in range(1, STEPS + 1):
        slope = gradient(theta)
        b = 1 - t**-0.7
        square = slope[KERNEL].reshape(SHAPE) ** 2 + 1e-30
        rows = b * rows + (1 - b) * square.sum(1)
        columns = b * columns + (1 - b) * square.sum(0)
        v = b * v + (1 - b) * (slope[BIAS] ** 2 + 1e-30)
        estimate = np.outer(rows, columns) / rows.sum()
        theta = theta.copy()
        for layer, second in ((KERNEL, estimate.ravel()), (BIAS, v)):
            update = slope[layer] / np.sqrt(second)
            update /= max(1, np.sqrt((update**2).mean()) / 0.8)
            size = max(1e-3, np.sqrt((theta[layer] ** 2).mean()))
            theta[layer] -= rate(t - 1) * size * update
        yield theta


def muon(theta: np.ndarray, rate: Rate) -> Path:
    """Jordan's reference: momentum, Nesterov, five Newton-Schulz iterations; Adam for the bias."""
    moments = _moments(0.9, 0.999)
    v = np.zeros(SHAPE)
    for t in range(STEPS):
        slope = gradient(theta)
        g = slope[KERNEL].reshape(SHAPE)
        v = 0.9 * v + g
        x = (g + 0.9 * v).T  # wide
        x = x / (np.linalg.norm(x) + 1e-7)
        for _ in range(5):
            a = x @ x.T
            x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
        kernel = theta[KERNEL].reshape(SHAPE)
        kernel = kernel - rate(t) * (x.T + 0.2 * kernel)
        _, _, m, square = moments(slope)
        adam_rate = 0.03 * rate(t) / rate(0)
        bias = theta[BIAS] - adam_rate * m[BIAS] / (np.sqrt(square[BIAS]) + 1e-8)
        theta = np.concatenate([kernel.ravel(), bias])
        yield theta


def polyak_sgd(theta: np.ndarray, rate: Rate) -> Path:
    for t in range(STEPS):
        slope = gradient(theta)
        size = (loss(theta) - (-0.1)) / (0.7 * slope @ slope)
        theta = theta - min(size, rate(t)) * slope
        yield theta


def dog(theta: np.ndarray, rate: Rate) -> Path:
    start, far, total = theta, 0.01 * (1 + np.linalg.norm(theta)), 0.0
    for t in range(STEPS):
        slope = gradient(theta)
        far = max(far, np.linalg.norm(theta - start))
        total += slope @ slope
        theta = theta - rate(t) * far / np.sqrt(total + 1e-3) * slope
        yield theta


def prodigy(theta: np.ndarray, rate: Rate) -> Path:
    start, d, m, v = theta, 0.01, np.zeros(15), np.zeros(15)
    s, r = np.zeros(15), 0.0
    for t in range(1, STEPS + 1):
        slope = gradient(theta)
        correction = np.sqrt(1 - 0.95**t) / (1 - 0.85**t)
        gamma = rate(t - 1) * correction
        m = 0.85 * m + 0.15 * d * slope
        v = 0.95 * v + 0.05 * (d * slope) ** 2
        r = np.sqrt(0.95) * r + gamma * d**2 * slope @ (start - theta)
        s = np.sqrt(0.95) * s + gamma * d**2 * slope
        larger = max(d, r / abs(s).sum())
        step = m / (np.sqrt(v) + larger * 1e-3) + 0.2 * IS_KERNEL * theta
        theta, d = theta - gamma * d * step, larger
        yield theta


def dadapt_adamw(theta: np.ndarray, rate: Rate) -> Path:
    d, m, v, s, r = 0.01, np.zeros(15), np.zeros(15), np.zeros(15), 0.0
    root = np.sqrt(0.95)
    for t in range(1, STEPS + 1):
        slope = gradient(theta)
        size = d * rate(t - 1) * np.sqrt(1 - 0.95**t) / (1 - 0.85**t)
        r = root * r + (1 - root) * size * slope @ (s / (np.sqrt(v) + 1e-3))
        s = root * s + (1 - root) * size * slope
        m = 0.85 * m + 0.15 * size * slope
        v = 0.95 * v + 0.05 * slope**2
        theta = theta - m / (np.sqrt(v) + 1e-3) - size * 0.2 * IS_KERNEL * theta
        d = max(d, r / ((1 - root) * abs(s).sum()))
        yield theta


def averaged(theta: np.ndarray, rate: Rate) -> Path:
    """With gradient descent as the base: Polyak & Juditsky, from the fourth point on."""
    visited = []
    for t in range(STEPS):
        theta = theta - rate(t) * gradient(theta)
        if t >= 3:
            visited.append(theta)
        yield theta, np.mean(visited, axis=0) if visited else theta


def averaged_weights(theta: np.ndarray, rate: Rate) -> Path:
    """Izmailov et al. 2018, algorithm 1, with c = 3 steps, on Adam: after its first two steps."""
    mean, models = theta, 0
    for i, point in enumerate(adam(theta, rate), start=1):
        if i > 2 and (i - 2) % 3 == 0:
            mean, models = (mean * models + point) / (models + 1), models + 1
        yield point, mean if models else point


def averaged_exponentially(theta: np.ndarray, rate: Rate) -> Path:
    """The mean of the first five points, and from there the moving average."""
    visited, mean = [], theta
    for point in momentum(theta, rate):
        visited.append(point)
        mean = np.mean(visited, axis=0) if len(visited) <= 5 else 0.8 * mean + 0.2 * point
        yield point, mean


def sgdw(theta: np.ndarray, rate: Rate, independent: bool = False) -> Path:
    """Loshchilov & Hutter 2019, algorithm 1; PyTorch's form, where the rate multiplies both."""
    velocity = np.zeros(15)
    for t in range(STEPS):
        eta = rate(t) / rate(0)
        decay = (eta if independent else rate(t)) * 0.2 * IS_KERNEL * theta
        velocity = 0.8 * velocity + gradient(theta)
        theta = theta - rate(t) * velocity - decay
        yield theta


def sgdw_of_the_paper(theta: np.ndarray, rate: Rate) -> Path:
    return sgdw(theta, rate, independent=True)


def layer_rates(theta: np.ndarray, rate: Rate) -> Path:
    """With Adam as the base; kernel and bias are the one layer."""
    moments = _moments()
    for t in range(STEPS):
        _, _, m, v = moments(gradient(theta))
        theta = theta - rate(t) * 0.3 * m / (np.sqrt(v) + 1e-3)
        yield theta


def schedule_free_sgd(theta: np.ndarray, rate: Rate) -> Path:
    z = x = theta
    total = 0.0
    for t in range(STEPS):
        y = 0.2 * z + 0.8 * x
        z = z - rate(t) * (gradient(y) + 0.2 * IS_KERNEL * y)
        total += rate(t) ** 2
        c = rate(t) ** 2 / total
        x = (1 - c) * x + c * z
        yield 0.2 * z + 0.8 * x, x


def schedule_free_adamw(theta: np.ndarray, rate: Rate) -> Path:
    z = x = theta
    v, total = np.zeros(15), 0.0
    for t in range(STEPS):
        y = 0.15 * z + 0.85 * x
        slope = gradient(y)
        v = 0.95 * v + 0.05 * slope**2
        gamma = rate(t) * np.sqrt(1 - 0.95 ** (t + 1))
        z = z - gamma * slope / (np.sqrt(v) + 1e-3) - gamma * 0.2 * IS_KERNEL * y
        total += gamma**2
        c = gamma**2 / total
        x = (1 - c) * x + c * z
        yield 0.15 * z + 0.85 * x, x


def sam(theta: np.ndarray, rate: Rate) -> Path:
    """With Adam as the base."""
    moments = _moments()
    for t in range(STEPS):
        slope = gradient(theta)
        _, _, m, v = moments(gradient(theta + 0.1 * slope / np.linalg.norm(slope)))
        theta = theta - rate(t) * m / (np.sqrt(v) + 1e-3)
        yield theta


def lookahead(theta: np.ndarray, rate: Rate) -> Path:
    """With the heavy ball as the base, whose velocity is kept at the jump."""
    slow, velocity = theta, np.zeros(15)
    for t in range(STEPS):
        velocity = 0.8 * velocity + gradient(theta)
        theta = theta - rate(t) * velocity
        if (t + 1) % 4 == 0:
            slow = slow + 0.6 * (theta - slow)
            theta = slow
        yield theta, slow


def newton(theta: np.ndarray, rate: Rate) -> Path:
    for t in range(STEPS):
        step = np.linalg.solve(hessian(theta) + 0.3 * np.eye(15), gradient(theta))
        theta = theta - rate(t) * step
        yield theta


def newton_cg(theta: np.ndarray, rate: Rate) -> Path:
    """Nocedal & Wright, algorithm 7.1, with at most four products."""
    for t in range(STEPS):
        slope, matrix = gradient(theta), hessian(theta) + 0.3 * np.eye(15)
        size = np.linalg.norm(slope)
        tolerance = min(0.5, np.sqrt(size)) * size
        found, residual, direction = np.zeros(15), slope, slope
        for _ in range(4):
            if np.linalg.norm(residual) <= tolerance:
                break
            step = residual @ residual / (direction @ matrix @ direction)
            found = found + step * direction
            smaller = residual - step * matrix @ direction
            direction = smaller + (smaller @ smaller) / (residual @ residual) * direction
            residual = smaller
        theta = theta - rate(t) * found
        yield theta


RULES: list[tuple[dict[str, Any], Callable[[np.ndarray, Rate], Path]]] = [
    ({"name": "sgd"}, sgd),
    ({"name": "momentum", "momentum": 0.8}, momentum),
    ({"name": "nesterov", "momentum": 0.8}, nesterov),
    ({"name": "momentum", "momentum": 0.8, "rate_inside_velocity": True}, momentum_rate_inside),
    ({"name": "nesterov", "momentum": 0.8, "rate_inside_velocity": True}, nesterov_rate_inside),
    ({"name": "qhm", "momentum": 0.8, "nu": 0.6}, qhm),
    ({"name": "aggmo", "scale": 0.2}, aggmo),
    ({"name": "sign_sgd"}, sign_sgd),
    ({"name": "lion", "b1": 0.8, "b2": 0.95, "weight_decay": 0.1}, lion),
    (
        {"name": "lion", "b1": 0.8, "b2": 0.95, "weight_decay": 0.1, "decay_all": True},
        lion_decaying_everything,
    ),
    (
        {"name": "delta_bar_delta", "increase": 0.01, "decrease": 0.2, "memory": 0.6},
        delta_bar_delta,
    ),
    ({"name": "rprop", "grow": 1.3, "shrink": 0.4, "smallest": 0.01, "largest": 0.5}, rprop),
    ({"name": "adagrad", "initial": 0.1, "eps": 1e-3}, adagrad),
    ({"name": "adagrad", "eps": 1e-3, "eps_inside_root": True}, adagrad_inside),
    ({"name": "adadelta", "decay": 0.9, "eps": 1e-3}, adadelta),
    ({"name": "rmsprop", "decay": 0.8, "eps": 1e-3}, rmsprop),
    (
        {"name": "rmsprop", "decay": 0.8, "eps": 1e-3, "centered": True, "eps_inside_root": True},
        rmsprop_centered,
    ),
    ({"name": "rmsprop_momentum", "decay": 0.8, "momentum": 0.7, "eps": 1e-3}, rmsprop_momentum),
    (
        {
            "name": "rmsprop_momentum",
            "decay": 0.8,
            "momentum": 0.7,
            "eps": 1e-3,
            "eps_inside_root": True,
            "centered": True,
            "rate_inside_velocity": True,
        },
        rmsprop_of_graves,
    ),
    ({"name": "rmsprop_nesterov", "decay": 0.8, "momentum": 0.7, "eps": 1e-3}, rmsprop_nesterov),
    ({"name": "yogi", "b1": 0.8, "b2": 0.9, "initial": 0.5}, yogi),
    ({"name": "adam", "b1": 0.85, "b2": 0.95, "eps": 1e-3}, adam),
    ({"name": "adamw", "b1": 0.85, "b2": 0.95, "eps": 1e-3, "weight_decay": 0.2}, adamw),
    (
        {
            "name": "adamw",
            "b1": 0.85,
            "b2": 0.95,
            "eps": 1e-3,
            "weight_decay": 0.2,
            "independent": True,
        },
        adamw_of_the_paper,
    ),
    ({"name": "adamax", "b1": 0.85, "b2": 0.95}, adamax),
    ({"name": "nadam", "b1": 0.85, "b2": 0.95, "eps": 1e-3, "momentum_decay": 0.1}, nadam),
    ({"name": "nadam", "b1": 0.85, "b2": 0.95, "eps": 1e-3, "form": "constant"}, nadam_constant),
    ({"name": "nadam", "b1": 0.85, "b2": 0.95, "eps": 1e-3, "form": "ruder"}, nadam_of_ruder),
    (
        {
            "name": "nadam",
            "b1": 0.85,
            "b2": 0.95,
            "eps": 1e-3,
            "momentum_decay": 0.1,
            "form": "pytorch",
        },
        nadam_of_pytorch,
    ),
    *(
        ({"name": "amsgrad", "b1": 0.85, "b2": 0.95, "eps": 1e-3, "bias_correction": when}, rule)
        for when, rule in (("none", amsgrad), ("after", amsgrad_after), ("before", amsgrad_before))
    ),
    ({"name": "qhadam", "b1": 0.85, "b2": 0.95, "nu1": 0.6, "nu2": 0.9, "eps": 1e-3}, qhadam),
    ({"name": "radam", "b1": 0.85, "b2": 0.95, "eps": 1e-3}, radam),
    ({"name": "adabelief", "b1": 0.85, "b2": 0.95, "eps": 1e-3}, adabelief),
    ({"name": "adan", "b1": 0.9, "b2": 0.8, "b3": 0.95, "eps": 1e-3, "weight_decay": 0.2}, adan),
    *(
        (
            {
                "name": "ademamix",
                "b1": 0.85,
                "b2": 0.95,
                "b3": 0.99,
                "alpha": 3.0,
                "eps": 1e-3,
                "weight_decay": 0.2,
                "warmup": steps,
            },
            rule,
        )
        for steps, rule in ((0, ademamix), (8, ademamix_warmed_up))
    ),
    ({"name": "adopt", "b1": 0.85, "b2": 0.7, "eps": 1e-3}, adopt),
    ({"name": "adopt", "b1": 0.85, "b2": 0.7, "eps": 1e-3, "clipping": False}, adopt_unclipped),
    ({"name": "lars", "momentum": 0.8, "trust_coefficient": 0.05, "weight_decay": 0.2}, lars),
    ({"name": "lamb", "b1": 0.85, "b2": 0.95, "eps": 1e-3, "weight_decay": 0.2}, lamb),
    ({"name": "novograd", "b1": 0.8, "b2": 0.9, "eps": 1e-3, "weight_decay": 0.2}, novograd),
    ({"name": "adafactor", "decay_rate": 0.7, "clipping_threshold": 0.8}, adafactor),
    ({"name": "muon", "momentum": 0.9, "adam_learning_rate": 0.03, "weight_decay": 0.2}, muon),
    ({"name": "polyak_sgd", "least_loss": -0.1, "c": 0.7}, polyak_sgd),
    ({"name": "dog", "initial": 0.01, "eps": 1e-3}, dog),
    (
        {
            "name": "prodigy",
            "b1": 0.85,
            "b2": 0.95,
            "eps": 1e-3,
            "initial": 0.01,
            "weight_decay": 0.2,
        },
        prodigy,
    ),
    (
        {
            "name": "dadapt_adamw",
            "b1": 0.85,
            "b2": 0.95,
            "eps": 1e-3,
            "initial": 0.01,
            "weight_decay": 0.2,
        },
        dadapt_adamw,
    ),
    ({"name": "averaged", "burn_in": 3, "base": "sgd"}, averaged),
    (
        {
            "name": "averaged",
            "burn_in": 2,
            "every": 3,
            "base": {"name": "adam", "b1": 0.85, "b2": 0.95, "eps": 1e-3},
        },
        averaged_weights,
    ),
    (
        {"name": "averaged", "decay": 0.8, "base": {"name": "momentum", "momentum": 0.8}},
        averaged_exponentially,
    ),
    *(
        (
            {
                "name": "decoupled_decay",
                "weight_decay": 0.2,
                "independent": independent,
                "base": {"name": "momentum", "momentum": 0.8},
            },
            rule,
        )
        for independent, rule in ((False, sgdw), (True, sgdw_of_the_paper))
    ),
    (
        {
            "name": "layer_rates",
            "multiplier": [0.3],
            "base": {"name": "adam", "b1": 0.85, "b2": 0.95, "eps": 1e-3},
        },
        layer_rates,
    ),
    ({"name": "schedule_free_sgd", "momentum": 0.8, "weight_decay": 0.2}, schedule_free_sgd),
    (
        {"name": "schedule_free_adamw", "b1": 0.85, "b2": 0.95, "eps": 1e-3, "weight_decay": 0.2},
        schedule_free_adamw,
    ),
    (
        {"name": "sam", "rho": 0.1, "base": {"name": "adam", "b1": 0.85, "b2": 0.95, "eps": 1e-3}},
        sam,
    ),
    (
        {
            "name": "lookahead",
            "period": 4,
            "alpha": 0.6,
            "base": {"name": "momentum", "momentum": 0.8},
        },
        lookahead,
    ),
    ({"name": "newton", "damping": 0.3}, newton),
    ({"name": "newton_cg", "damping": 0.3, "iterations": 4}, newton_cg),
]
