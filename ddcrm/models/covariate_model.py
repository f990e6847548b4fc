"""Buy-till-you-die models whose customers may differ by covariates."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from ddcrm.errors import ModelError
from ddcrm.models.base import (
    Floats,
    Levels,
    check_amounts,
    check_frequency,
    check_times,
    columns_of,
    distinct_rows,
    invalid,
    levels_of,
)
from ddcrm.models.btyd import BuyTillYouDie, check_up_to
from ddcrm.models.covariates import CovariateLikelihood, Design, RowLikelihood
from ddcrm.models.optimise import Likelihood, Maximum


class CovariateModel(BuyTillYouDie):
    """Base of the models of frequency, recency and tenure that take covariates.

    A model says in `_moves` which of its parameters the covariates of purchase and of dropout move, with which sign,
    and hands `_row_likelihood` to the search. Without covariates it is the plain model.
    """

    _columns: ClassVar[tuple[str, ...]] = ("frequency", "recency", "tenure")
    _moves: ClassVar[Mapping[str, Mapping[str, int]]]

    purchase_coefficients_: dict[str, float]
    dropout_coefficients_: dict[str, float]

    def __init__(
        self,
        max_iter: int = 500,
        tol: float = 1e-8,
        purchase_covariates: Sequence[str] = (),
        dropout_covariates: Sequence[str] = (),
    ) -> None:
        self.max_iter = max_iter
        self.tol = tol
        self.purchase_covariates = purchase_covariates
        self.dropout_covariates = dropout_covariates

    @classmethod
    def with_parameters(cls, **parameters: float) -> Self:
        """The model with these parameters and coefficients, named as in `parameters_`, but without their precision.

        Covariates are those of the coefficients, purchase_<name> and dropout_<name>.
        Raises ModelError unless each parameter is named, finite and positive, and each coefficient finite.
        """
        own = {name: value for name, value in parameters.items() if not name.startswith(("purchase_", "dropout_"))}
        model = super().with_parameters(**own)
        for process in ("purchase", "dropout"):
            prefix = f"{process}_"
            moves = {name.removeprefix(prefix): v for name, v in parameters.items() if name.startswith(prefix)}
            wrong = [name for name, value in moves.items() if not np.isfinite(value)]
            if wrong:
                raise invalid(cls._model, f"{prefix}{wrong[0]} is {moves[wrong[0]]}; it must be finite")
            model.set_params(**{f"{prefix}covariates": tuple(moves)})
            setattr(model, f"{prefix}coefficients_", {name: float(value) for name, value in moves.items()})
        return model

    @property
    def parameters_(self) -> dict[str, float]:
        """The learned parameters and coefficients by name; raises sklearn's NotFittedError before fit."""
        return super().parameters_ | dict(zip(self._design().names, self._coefficients().tolist(), strict=True))

    def count_probabilities(self, t: float, up_to: int, covariates: Any = None) -> Floats:
        """Probabilities that a new customer buys 0, 1, ..., up_to times again in `t` units, shape (up_to + 1,).

        covariates: of n new customers, if the model has any; the answer is (n, up_to + 1) then.
        Raises ModelError for a negative t or up_to.
        """
        counts = self._counts(t, up_to)
        return self._count_probabilities(t, counts, _by_row(self._newcomers(covariates)), new=True)

    def conditional_count_probabilities(self, X: Any, t: float, up_to: int) -> Floats:
        """Probabilities that each customer buys 0, 1, ..., up_to times in the next `t` units, shape (n, up_to + 1).

        Who is alive buys as a new customer of other parameters, the posterior ones; who is not buys nothing.
        Raises ModelError for X that is not valid, a negative t or up_to.
        """
        counts, columns = self._counts(t, up_to), self._read(X)
        frequency, _, tenure, *covariates = columns
        rows = distinct_rows([levels_of(column) for column in (frequency, tenure, *covariates)])
        x, age, *kinds = (level.column for level in rows.columns)
        posterior = _by_row(self._posterior(x, age, self._personal(kinds)))
        ahead, alive = self._count_probabilities(t, counts, posterior, new=False), self._alive(columns)
        found = alive[:, None] * ahead[rows.inverse]
        found[:, 0] += 1 - alive
        return found

    def _counts(self, t: float, up_to: int) -> Floats:
        check_amounts(np.array([t], dtype=np.float64), "t", self._model)
        return np.arange(check_up_to(up_to, self._model) + 1.0)

    @abstractmethod
    def _alive(self, columns: list[Floats]) -> Floats:
        """P(alive) of each row of the columns that were read, (n,)."""

    @abstractmethod
    def _count_probabilities(self, t: float, counts: Floats, parameters: tuple[Any, ...], new: bool) -> Floats:
        """P(x purchases in t) of a new or an old customer who is alive, for x in `counts`, in the common shape of them
        and the parameters.
        """

    @abstractmethod
    def _posterior(self, frequency: Floats, tenure: Floats, parameters: tuple[Any, ...]) -> tuple[Any, ...]:
        """The parameters of who is alive after these histories."""

    @abstractmethod
    def _row_likelihood(self, rows: Sequence[Levels], weight: Floats) -> RowLikelihood:
        """The likelihood of distinct rows of frequency, recency and tenure."""

    @abstractmethod
    def _starts(self, purchases: float, time: float, customers: float) -> list[Floats]:
        """Where to begin, from sums over the customers."""

    def _design(self) -> Design:
        given = {"purchase": self.purchase_covariates, "dropout": self.dropout_covariates}
        self._check_unchanged(given)
        for process, names in given.items():
            if isinstance(names, str) or len(set(names)) < len(names) or set(names) & set(self._columns):
                reason = f"{process}_covariates is {names!r}, not a list of different columns beside the model's own"
                raise invalid(self._model, reason)
        return Design.of_processes(given, self._moves, self._parameters)

    def _check_unchanged(self, given: Mapping[str, Sequence[str]]) -> None:
        """Raise ModelError where set_params changed the covariates after the fit: coefficients would be lost."""
        for process, names in given.items():
            learned = getattr(self, f"{process}_coefficients_", None)
            if learned is not None and list(learned) != list(names):
                reason = f"it was fitted with {process}_covariates {list(learned)}, which now are {list(names)}"
                hint = "Fit it again, or set those with which it was fitted."
                raise ModelError(
                    "The model was fitted with other covariates", model=self._model, reason=reason, hint=hint
                )

    def _features(self) -> tuple[str, ...]:
        return (*self._columns, *self._design().columns)

    def _sought(self) -> tuple[str, ...]:
        return (*self._parameters, *self._design().names)

    def _read(self, X: Any) -> list[Floats]:
        columns = columns_of(X, self._features(), self._model)
        frequency, recency, tenure, *covariates = columns
        check_frequency(frequency, self._model)
        check_times(frequency, recency, tenure, self._model)
        self._check_covariates(covariates)
        return columns

    def _check_covariates(self, covariates: Sequence[Floats]) -> None:
        for name, column in zip(self._design().columns, covariates, strict=True):
            if not np.isfinite(column).all():
                row = int(np.argmin(np.isfinite(column)))
                raise invalid(self._model, f"the covariate {name} is {column[row]} in row {row}; it must be finite")

    def _likelihood(self, columns: list[Floats], weight: Floats) -> tuple[Likelihood, list[Floats]]:
        rows = distinct_rows([levels_of(column) for column in columns])
        likelihood, design = self._row_likelihood(rows.columns[:3], rows.weights(weight)), self._design()
        purchases, _, time = (float(np.sum(likelihood.row_weight * rows.columns[i].column)) for i in range(3))
        if purchases == 0:
            raise self._insufficient("no customer bought again")
        if time == 0:
            raise self._insufficient("no customer was observed for any time")
        starts = self._starts(purchases, time, likelihood.total_weight)
        if not design.names:
            return likelihood, starts
        covariates = [level.column for level in rows.columns[3:]]
        starts = [np.concatenate([start, np.ones(len(design.names))]) for start in starts]
        return CovariateLikelihood.of(likelihood, design, covariates, self._model), starts

    def _learn(self, found: Maximum, likelihood: Likelihood) -> None:
        coefficients = np.empty(0)
        if isinstance(likelihood, CovariateLikelihood):
            parameters, coefficients, self.vcov_ = likelihood.restored(found, self._model)
            self._learn_parameters(parameters)
        else:
            super()._learn(found, likelihood)
        at = len(self.purchase_covariates)
        self.purchase_coefficients_ = dict(zip(self.purchase_covariates, coefficients[:at].tolist(), strict=True))
        self.dropout_coefficients_ = dict(zip(self.dropout_covariates, coefficients[at:].tolist(), strict=True))

    def _coefficients(self) -> Floats:
        """In the order of the design; none before fit where there are no covariates."""
        by_purchase = [self.purchase_coefficients_[name] for name in self.purchase_covariates]
        by_dropout = [self.dropout_coefficients_[name] for name in self.dropout_covariates]
        return np.array([*by_purchase, *by_dropout])

    def _unbounded(self) -> frozenset[str]:
        return frozenset(self._design().names)

    def _personal(self, covariates: Sequence[Floats]) -> tuple[Any, ...]:
        """The parameters of customers of these covariates: numbers where no covariate moves them, else (n,)."""
        population = np.array(self._fitted())
        design = self._design()
        return design.parameters(population, self._coefficients(), covariates) if design.names else self._fitted()

    def _newcomers(self, covariates: Any, n: int | None = None) -> tuple[Any, ...]:
        """The parameters of new customers; raises ModelError where their covariates are missing, or not of n."""
        names = self._design().columns
        if not names:
            return self._fitted()
        if covariates is None:
            raise invalid(self._model, f"covariates of the new customers are needed: {', '.join(names)}")
        columns = columns_of(covariates, names, self._model)
        self._check_covariates(columns)
        if n is not None and len(columns[0]) != n:
            raise invalid(self._model, f"covariates has {len(columns[0])} rows, tenure {n}")
        return self._personal(columns)

    def _columns_beside(self, covariates: Any) -> dict[str, Floats]:
        """The covariates by name; none where the model has none."""
        names = self._design().columns
        return dict(zip(names, columns_of(covariates, names, self._model), strict=True)) if names else {}


def _by_row(parameters: tuple[Any, ...]) -> tuple[Any, ...]:
    """Those that are (n,) as (n, 1), to be met with counts."""
    return tuple(np.reshape(theta, (-1, 1)) if np.ndim(theta) else theta for theta in parameters)
