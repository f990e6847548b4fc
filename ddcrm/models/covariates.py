"""Customers whose parameters depend on covariates that do not change in time.

Fader & Hardie (2007), "Incorporating Time-Invariant Covariates into the Pareto/NBD and BG/NBD Models": a parameter
theta of customer i is theta exp(sign * gamma' z_i), with one gamma for each covariate, the same for all customers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np

from ddcrm.errors import ConvergenceError
from ddcrm.models.base import Codes, Floats, invalid, thinned_rows
from ddcrm.models.inference import covariance
from ddcrm.models.optimise import Likelihood, Maximum

_LIMIT = 200.0  # of the logarithm of a customer's parameter: beyond it nothing would be a number
_FAR = 300.0  # of the logarithm of a parameter where all covariates are 0: beyond it its variance would be no number


@dataclass(frozen=True)
class Design:
    """The covariates of a model: their coefficients' names, where each is in `columns`, and what it moves.

    columns: the distinct names of the covariates; of: (k,) the column of each coefficient; response: (k, parameters)
    the sign with which it moves the logarithm of each parameter, 0 where it does not.
    """

    columns: tuple[str, ...]
    names: tuple[str, ...]
    of: tuple[int, ...]
    response: Floats

    @classmethod
    def of_processes(
        cls, covariates: Mapping[str, Sequence[str]], moves: Mapping[str, Mapping[str, int]], parameters: Sequence[str]
    ) -> Design:
        """covariates: names by process (purchase, dropout); moves: the sign for each parameter that a process moves."""
        pairs = [(process, name) for process, names in covariates.items() for name in names]
        columns = tuple(dict.fromkeys(name for _, name in pairs))
        response = [[float(moves[process].get(parameter, 0)) for parameter in parameters] for process, _ in pairs]
        names = tuple(f"{process}_{name}" for process, name in pairs)
        of = tuple(columns.index(name) for _, name in pairs)
        return cls(columns, names, of, np.array(response).reshape(len(pairs), len(parameters)))

    def parameters(self, population: Floats, coefficients: Floats, covariates: Sequence[Floats]) -> tuple[Any, ...]:
        """The parameters of each customer: numbers where no covariate moves them, else (n,).

        covariates: (n,) each, in the order of `columns`.
        """
        moved: list[Any] = []
        for theta, signs in zip(population, self.response.T, strict=True):
            acting = np.flatnonzero(signs)
            if not len(acting):
                moved.append(theta)
                continue
            shift = np.sum([signs[j] * coefficients[j] * covariates[self.of[j]] for j in acting], axis=0)
            moved.append(np.exp(np.clip(np.log(theta) + shift, -_LIMIT, _LIMIT)))  # theta alone may be far from it
        return tuple(moved)

    def farthest(self, parameter: int, weight: Floats) -> str:
        """The covariate that moves a parameter most; weight: (k,) of each coefficient."""
        return self.columns[self.of[int(np.argmax(np.abs(self.response[:, parameter] * weight)))]]


class RowLikelihood(Likelihood, Protocol):
    """A log-likelihood of distinct rows whose parameters may differ by row."""

    row_weight: Floats

    def by_row(self, parameters: tuple[Any, ...]) -> tuple[Floats, Floats]:
        """The value of each row, (n,), and its gradient by the logarithms of the parameters, (parameters, n)."""
        ...

    def at(self, part: Codes) -> Self:
        """That of some of the rows."""
        ...


@dataclass(frozen=True)
class CovariateLikelihood:
    """The summed log-likelihood and its gradient by (parameters, exp(coefficients)).

    The search takes place where covariates have mean 0 and standard deviation 1; `restored` leads back. Coefficients
    may be negative, so the search, which is for positive parameters, sees their exponentials.
    """

    rows: RowLikelihood
    design: Design
    scaled: tuple[Floats, ...]
    mean: Floats
    spread: Floats

    @classmethod
    def of(cls, rows: RowLikelihood, design: Design, covariates: Sequence[Floats], model: str) -> CovariateLikelihood:
        """Raises ModelError for a covariate that is the same for all customers."""
        weight = rows.row_weight / rows.total_weight
        mean = np.array([np.sum(weight * column) for column in covariates])
        spread = np.array([np.sqrt(np.sum(weight * (z - m) ** 2)) for z, m in zip(covariates, mean, strict=True)])
        for name, z, s, m in zip(design.columns, covariates, spread, mean, strict=True):
            if np.ptp(z) == 0:
                raise invalid(model, f"the covariate {name} is the same for all customers", "Leave it out.")
            if not s > 1e-10 * abs(m):
                hint = f"Subtract {m:.6g}, its mean, from {name}."
                raise invalid(model, f"the covariate {name} varies too little for how far from 0 it is", hint)
        scaled = tuple((z - m) / s for z, m, s in zip(covariates, mean, spread, strict=True))
        return cls(rows, design, scaled, mean, spread)

    @property
    def total_weight(self) -> float:
        """The number of customers."""
        return self.rows.total_weight

    def thinned(self) -> CovariateLikelihood | None:
        """The likelihood of a fair part of the rows, in the same scale; None where they are few."""
        part = thinned_rows(len(self.rows.row_weight))
        if part is None:
            return None
        return replace(self, rows=self.rows.at(part), scaled=tuple(column[part] for column in self.scaled))

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        """The value, and the gradient by the parameters and the exponentials of the coefficients, (parameters + k,)."""
        size = self.design.response.shape[1]
        coefficients = np.log(parameters[size:])
        value, slopes = self.rows.by_row(self.design.parameters(parameters[:size], coefficients, self.scaled))
        weighted = self.rows.row_weight * slopes
        moved = np.einsum("jp,pi->ji", self.design.response, weighted)
        by_coefficient = [np.einsum("i,i", moved[j], self.scaled[column]) for j, column in enumerate(self.design.of)]
        gradient = np.concatenate([weighted.sum(axis=1), by_coefficient])
        return float(np.einsum("i,i", self.rows.row_weight, value)), gradient / parameters

    def restored(self, found: Maximum, model: str) -> tuple[Floats, Floats, Floats]:
        """Parameters, coefficients and covariance of both, as X has them.

        Raises ConvergenceError where a parameter at 0 of the covariates, far from all customers, is not a number.
        """
        size, of = self.design.response.shape[1], list(self.design.of)
        turn = np.eye(len(found.parameters))
        turn[:size, size:] = -self.design.response.T * (self.mean / self.spread)[of]
        turn[size:, size:] = np.diag(1 / self.spread[of])
        point = np.asarray(turn @ np.log(found.parameters), dtype=np.float64)
        for i in np.flatnonzero(np.abs(point[:size]) > _FAR):
            raise self._too_far(model, int(i), point)
        by_point = np.concatenate([np.exp(point[:size]), np.ones(len(of))])
        return by_point[:size], point[size:], covariance(found.hessian, by_point, turn)

    def _too_far(self, model: str, parameter: int, point: Floats) -> ConvergenceError:
        name = self.design.farthest(parameter, point[-len(self.design.of) :] * self.mean[list(self.design.of)])
        reason = f"the covariate {name} is so far from 0 that the parameters of customers who have 0 are not numbers"
        typical = f"{self.mean[self.design.columns.index(name)]:.6g}"
        return ConvergenceError(model=model, reason=reason, hint=f"Subtract {typical}, its mean, from {name}.")
