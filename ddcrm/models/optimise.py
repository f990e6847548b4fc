"""The maximum of a log-likelihood in the logarithms of its positive parameters.

L-BFGS-B comes near, Newton steps finish; what counts as converged is how much log-likelihood is still to be had,
so the answer means the same for a hundred customers and for ten million. With many customers L-BFGS-B runs on a
thinned likelihood, and Newton steps with its curvature carry the result over to all of them: that needs a handful of
evaluations instead of fifty, and ends at the same maximum.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from ddcrm.errors import ConvergenceError

Floats = NDArray[np.float64]

_REACH = 12.0  # parameters are searched within a factor of e^12 either way from where the search begins
_FLAT = 10.0  # a standard error of a log-parameter beyond this says: the data don't know it within e^10
_NEAR = 0.01  # log-likelihood missing, from which on a flat likelihood will not become any better
_HESSIAN_STEP = 1e-4
_NEWTON_STEPS = 30
_MORE_DATA = "Fit it to more customers or a longer time, or take a model with fewer parameters."


class Likelihood(Protocol):
    """A log-likelihood summed over customers, and how many customers (the sum of weights) it sums."""

    @property
    def total_weight(self) -> float:
        """The number of customers."""
        ...

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        """The value and the gradient by the parameters (not by their logarithms)."""
        ...

    def thinned(self) -> Likelihood | None:
        """The likelihood of a fair part of the customers, or None where all are few enough."""
        ...


@dataclass(frozen=True)
class Maximum:
    """Where the maximum is; `hessian` is that of the log-likelihood, summed over all customers, by the log-parameters:
    central differences of the analytic gradient there, exact to some 8 digits.
    """

    parameters: Floats
    value: float
    hessian: Floats
    n_iter: int
    message: str


@dataclass(frozen=True)
class _Top:
    """Where a search ended: loss and `hessian` are negative means, the hessian within some percent."""

    point: Floats
    loss: float
    hessian: Floats
    n_iter: int
    missing: float


class _NotFoundError(Exception):
    """The search from one start ended without a maximum; `hint` says what would help."""

    def __init__(self, reason: str, hint: str = _MORE_DATA) -> None:
        super().__init__(reason)
        self.hint = hint


def maximise(
    likelihood: Likelihood,
    starts: Sequence[Floats],
    model: str,
    names: Sequence[str],
    max_iter: int,
    tol: float,
) -> Maximum:
    """The maximum, found from the first start that leads to one.

    tol: how much log-likelihood (summed over all customers) may be missing at most.
    Raises ConvergenceError with the reason of the first start when no start leads to a maximum.
    """
    failed = []
    for start in starts:
        try:
            return _Search(likelihood, start, names, tol).run(max_iter)
        except _NotFoundError as error:
            failed.append(error)
    raise ConvergenceError(model=model, reason=str(failed[0]), hint=failed[0].hint)


class _Search:
    """One search, in the point log(parameters / start), for the least negative mean log-likelihood."""

    def __init__(self, likelihood: Likelihood, start: Floats, names: Sequence[str], tol: float) -> None:
        self.likelihood, self.start, self.names, self.tol = likelihood, start, names, tol
        self.size = likelihood.total_weight

    def run(self, max_iter: int) -> Maximum:
        """The maximum, with its curvature taken on all customers; raises _NotFoundError with the reason."""
        top = self._climb(max_iter)
        hessian = self._hessian(top.point)
        self._check_curved(hessian)  # the climb may have ended on the curvature of a part of the customers
        message = f"converged: some {top.missing:.1g} of log-likelihood missing"
        return Maximum(self._parameters(top.point), -top.loss * self.size, -hessian * self.size, top.n_iter, message)

    def _climb(self, max_iter: int) -> _Top:
        thinned = self.likelihood.thinned()
        if thinned is not None:
            with suppress(_NotFoundError):
                pilot = _Search(thinned, self.start, self.names, self.tol)._climb(max_iter)
                return self._polish(pilot.point, pilot.hessian, pilot.n_iter)
        point, n_iter = self._approach(max_iter)
        return self._polish(point, None, n_iter)

    def _parameters(self, point: Floats) -> Floats:
        return self.start * np.exp(point)

    def _loss(self, point: Floats) -> tuple[float, Floats]:
        parameters = self._parameters(point)
        value, gradient = self.likelihood(parameters)
        return -value / self.size, -gradient * parameters / self.size

    def _hessian(self, point: Floats) -> Floats:
        """Central differences of the analytic gradient: exact to some 8 digits, and the same for every model."""
        steps = _HESSIAN_STEP * np.eye(len(point))
        rows = [(self._loss(point + step)[1] - self._loss(point - step)[1]) / (2 * _HESSIAN_STEP) for step in steps]
        return (np.array(rows) + np.array(rows).T) / 2

    def _approach(self, max_iter: int) -> tuple[Floats, int]:
        bounds = [(-_REACH, _REACH)] * len(self.start)
        options: Any = {"maxiter": max_iter, "maxfun": 20 * max_iter, "ftol": 1e-10, "gtol": 1e-5}
        origin = np.zeros(len(self.start))
        found = minimize(self._loss, origin, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        if found.status == 1:
            raise _NotFoundError(f"no maximum within {max_iter} iterations", "Give a greater max_iter.")
        return found.x, int(found.nit)

    def _polish(self, point: Floats, hessian: Floats | None, n_iter: int) -> _Top:
        """Newton steps until at most `tol` of log-likelihood is missing; a curvature serves while it helps."""
        value, gradient = self._loss(point)
        before = np.inf
        for steps in range(_NEWTON_STEPS):
            self._check_inside(point)
            hessian = self._hessian(point) if hessian is None else hessian
            step = self._newton_step(hessian, gradient)
            missing = -0.5 * self.size * float(gradient @ step)
            if missing < _NEAR:
                self._check_curved(hessian)
            if missing < self.tol:
                return _Top(point, value, hessian, n_iter + steps, missing)
            if missing > before / 10:  # the curvature is that of another place: take it anew, here
                before, hessian = np.inf, None
                continue
            before = missing
            point, value, gradient = self._descend(point, step, value)
        reason = f"still {missing:.1g} of log-likelihood missing after {_NEWTON_STEPS} Newton steps"
        raise _NotFoundError(reason, "Give a greater tol." if missing < _NEAR else _MORE_DATA)

    def _check_inside(self, point: Floats) -> None:
        for name, value, where in zip(self.names, self._parameters(point), point, strict=True):
            if not abs(where) < _REACH - 1e-3:
                raise _NotFoundError(f"{name} runs away to {value:.3g}: the data have no maximum for it")

    def _check_curved(self, hessian: Floats) -> None:
        curvature, axes = np.linalg.eigh(hessian)
        if curvature[0] * self.size < _FLAT**-2:
            loose = [name for name, part in zip(self.names, axes[:, 0], strict=True) if abs(part) > 0.3]
            raise _NotFoundError(f"the likelihood is flat: the data do not determine {' and '.join(loose)}")

    def _newton_step(self, hessian: Floats, gradient: Floats) -> Floats:
        """Downhill also where the curvature is negative, and never further than a factor of e."""
        curvature, axes = np.linalg.eigh(hessian)
        step = -axes @ ((axes.T @ gradient) / np.maximum(np.abs(curvature), _FLAT**-2 / self.size))
        return step / max(1.0, float(np.abs(step).max()))

    def _descend(self, point: Floats, step: Floats, value: float) -> tuple[Floats, float, Floats]:
        """The Newton step, halved until it does not lose; rounding may hide the last gain."""
        for _ in range(_NEWTON_STEPS):
            reached, gradient = self._loss(point + step)
            if reached <= value + 1e-14 * abs(value):
                return point + step, reached, gradient
            step = step / 2
        raise _NotFoundError("no step improves the likelihood, and its gradient is not zero")
