"""The assumptions of BG/NBD and MBG/NBD, integrated over lambda and p: what the models' formulas must come to.

`first` is 1 where the first purchase is a chance to leave, too (MBG/NBD), else 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

Floats = NDArray[np.float64]

# Trapezoid sums over the whole line of log(lambda) and logit(p)
# converge faster than any power of the step, and need no formula of the model.
STEP = 0.08
LOG_RATES, LOGITS = np.arange(-150.0, 8.0, STEP), np.arange(-60.0, 80.0, STEP)
RATES, DROPOUT, STAYING = np.exp(LOG_RATES), special.expit(LOGITS), special.expit(-LOGITS)


def rate_density(r: float, alpha: float) -> Floats:
    """Of log(lambda), lambda ~ Gamma(r, alpha)."""
    return stats.gamma.pdf(RATES, r, scale=1 / alpha) * RATES * STEP


def dropout_density(a: float, b: float) -> Floats:
    """Of logit(p), p ~ Beta(a, b)."""
    return np.exp(a * np.log(DROPOUT) + b * np.log(STAYING) - special.betaln(a, b)) * STEP


def alive_at_end(x: int, tenure: float, parameters: tuple[float, ...], first: int = 0) -> float:
    """Likelihood of x purchases and of being there until the end."""
    r, alpha, a, b = parameters
    bought = RATES**x * np.exp(-RATES * tenure)
    return float((bought * rate_density(r, alpha)).sum() * (STAYING ** (x + first) * dropout_density(a, b)).sum())


def gone_at_last(x: int, recency: float, parameters: tuple[float, ...], first: int = 0) -> float:
    """Likelihood of x purchases and of leaving with the last one."""
    r, alpha, a, b = parameters
    if x + first == 0:
        return 0.0
    bought = RATES**x * np.exp(-RATES * recency)
    left = DROPOUT * STAYING ** (x + first - 1) * dropout_density(a, b)
    return float((bought * rate_density(r, alpha)).sum() * left.sum())


def integrated_likelihood(
    x: int, recency: float, tenure: float, parameters: tuple[float, ...], first: int = 0
) -> float:
    """Likelihood of a history."""
    return alive_at_end(x, tenure, parameters, first) + gone_at_last(x, recency, parameters, first)


def integrated_expectation(
    x: int, recency: float, tenure: float, t: float, parameters: tuple[float, ...], first: int = 0, rate: float = 0.0
) -> float:
    """Purchases in t, discounted at `rate`: who is there buys as a Poisson process until they leave.

    Given lambda and p that is lambda * (1 - exp(-(lambda p + rate) t)) / (lambda p + rate).
    """
    r, alpha, a, b = parameters
    bought = RATES ** (x + 1) * np.exp(-RATES * tenure) * rate_density(r, alpha)
    stayed = STAYING ** (x + first) * dropout_density(a, b)
    decay = np.multiply.outer(RATES, DROPOUT) + rate
    later = -np.expm1(-decay * t) / decay
    return float(bought @ later @ stayed / integrated_likelihood(x, recency, tenure, parameters, first))


def integrated_count(x: int, t: float, parameters: tuple[float, ...], first: int = 0) -> float:
    """Probability that a new customer buys x times in t: Poisson counts, and a chance to leave after each purchase."""
    r, alpha, a, b = parameters
    counts = stats.poisson(RATES * t)
    alive = (counts.pmf(x) * rate_density(r, alpha)).sum() * (STAYING ** (x + first) * dropout_density(a, b)).sum()
    if x + first == 0:
        return float(alive)
    left = (DROPOUT * STAYING ** (x + first - 1) * dropout_density(a, b)).sum()
    return float(alive + left * (counts.sf(x - 1) * rate_density(r, alpha)).sum())
