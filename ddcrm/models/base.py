"""What the estimators share: reading X, weights, distinct rows, and the fit by maximum likelihood."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ddcrm.errors import InsufficientDataError, ModelError
from ddcrm.models.inference import Inference, covariance
from ddcrm.models.optimise import Likelihood, Maximum, maximise

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
RandomState = int | np.random.Generator  # a seed, or a source that goes on

_KEY_LIMIT = 2**62
_PILOT_ROWS = 20_000  # distinct rows in the thinned likelihood from which a large fit begins


def invalid(model: str, reason: str, hint: str | None = None) -> ModelError:
    """The error for input that the model can't take."""
    return ModelError("The input does not fit the model", model=model, reason=reason, hint=hint)


@dataclass(frozen=True)
class Levels:
    """A column as its sorted distinct `values` and, for each row, the `codes` that point into them."""

    values: Floats
    codes: Codes

    def at(self, rows: NDArray[Any]) -> Levels:
        """The same values for some of the rows only."""
        return Levels(self.values, self.codes[rows])

    @property
    def column(self) -> Floats:
        """The column again, row by row."""
        return self.values[self.codes]


def levels_of(column: Floats) -> Levels:
    """The distinct values of a column without NaN; hashing is several times faster than sorting all rows."""
    import pandas as pd

    codes, values = pd.factorize(column, sort=True)
    return Levels(np.asarray(values, dtype=np.float64), codes)


@dataclass(frozen=True)
class DistinctRows:
    """Each distinct row once: its columns, and `inverse`, the distinct row of every row that came in.

    Distinct rows are sorted, so sums over them don't depend on the order in which customers arrive.
    """

    columns: tuple[Levels, ...]
    inverse: Codes

    @property
    def size(self) -> int:
        """The number of distinct rows."""
        return len(self.columns[0].codes)

    def weights(self, weight: Floats) -> Floats:
        """The sum of the rows' weights for each distinct row."""
        return np.bincount(self.inverse, weight, self.size).astype(np.float64)


def distinct_rows(columns: Sequence[Levels]) -> DistinctRows:
    """The distinct combinations of the columns' values."""
    key, size = columns[0].codes.astype(np.int64), len(columns[0].values)
    for column in columns[1:]:
        if size * len(column.values) > _KEY_LIMIT:  # the combined key would overflow: number it anew
            seen, key = np.unique(key, return_inverse=True)
            size = len(seen)
        key, size = key * len(column.values) + column.codes, size * len(column.values)
    distinct, inverse = np.unique(key, return_inverse=True)
    row = np.empty(len(distinct), dtype=np.intp)
    row[inverse] = np.arange(len(inverse))  # any row of a group may stand for it
    return DistinctRows(tuple(column.at(row) for column in columns), inverse)


def thinned_rows(n: int) -> Codes | None:
    """Every so many-th of n distinct rows: as they are sorted, a fair part of them. None where they are few."""
    return np.arange(0, n, n // _PILOT_ROWS) if n >= 2 * _PILOT_ROWS else None


def names_in(X: Any) -> list[str] | None:
    """The names of the columns of a DataFrame, an Arrow table or a mapping of arrays; None for an array."""
    if isinstance(X, Mapping):
        return list(X)
    names = getattr(X, "column_names", getattr(X, "columns", None))
    return None if names is None else list(names)


def columns_of(X: Any, names: Sequence[str], model: str) -> list[Floats]:
    """The named columns of X (in any order, others ignored), or those of an (n, k) array in order, as floats.

    Raises ModelError for missing columns, for another shape, and for what is not numbers.
    """
    there = names_in(X)
    if there is None:
        X, there = _split(X, names, model), list(names)
    missing = [name for name in names if name not in there]
    if missing:
        raise invalid(model, f"X has no column {', '.join(missing)}")
    columns = [_floats(X[name], name, model) for name in names]
    if any(column.shape != (len(columns[0]),) for column in columns):
        raise invalid(model, f"the columns of X have the shapes {[column.shape for column in columns]}")
    return columns


def _split(X: Any, names: Sequence[str], model: str) -> dict[str, Any]:
    array = np.asarray(X)
    if array.ndim != 2 or array.shape[1] != len(names):
        raise invalid(model, f"X has shape {array.shape}, not (n, {len(names)}): {', '.join(names)}")
    return dict(zip(names, array.T, strict=True))


def _floats(column: Any, name: str, model: str) -> Floats:
    try:
        return np.ascontiguousarray(column, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise invalid(model, f"{name} is not a column of numbers: {error}") from error


def check_amounts(column: Floats, name: str, model: str) -> None:
    """Raise ModelError unless all values are finite and not negative."""
    wrong = ~(np.isfinite(column) & (column >= 0))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise invalid(model, f"{name} is {column[row]} in row {row}; it must be finite and not negative")


def check_frequency(column: Floats, model: str, name: str = "frequency") -> None:
    """Raise ModelError unless all values are whole numbers from 0."""
    check_amounts(column, name, model)
    if (column != np.floor(column)).any():
        raise invalid(model, f"{name} is a count: it must be whole numbers")


def check_times(frequency: Floats, recency: Floats, tenure: Floats, model: str) -> None:
    """Raise ModelError unless 0 <= recency <= tenure, and recency is 0 where nothing was bought again."""
    check_amounts(recency, "recency", model)
    check_amounts(tenure, "tenure", model)
    if (recency > tenure * (1 + 1e-12)).any():  # a unit conversion may cost the last bit
        raise invalid(model, "recency is greater than tenure", "Both count from the first purchase.")
    if ((frequency == 0) & (recency > 0)).any():
        raise invalid(model, "recency is not 0 where frequency is 0", "Recency is the last less the first purchase.")


def weights_of(sample_weight: ArrayLike | None, n: int, model: str) -> Floats:
    """The weights as floats, ones by default; raises ModelError for a wrong length or a negative weight."""
    if sample_weight is None:
        return np.ones(n)
    weight = _floats(sample_weight, "sample_weight", model)
    if weight.shape != (n,):
        raise invalid(model, f"sample_weight has shape {weight.shape}, X has {n} rows")
    check_amounts(weight, "sample_weight", model)
    return weight


def forget(estimator: BaseEstimator) -> None:
    """Drop all that it has learned (attributes that end in `_`): a fit that fails must not leave an older one."""
    for name in [name for name in vars(estimator) if name.endswith("_") and not name.startswith("_")]:
        delattr(estimator, name)


class LikelihoodModel(Inference, BaseEstimator):
    """Base of the models that are fitted by maximum likelihood in the logarithms of positive parameters.

    A model names itself, its columns and its parameters, reads X with `_read`, and hands `_likelihood` to the
    optimiser; everything about the search is here and in `optimise.py`, about precision in `inference.py`.

    Learned by each of them: its parameters, log_likelihood_ (summed), n_customers_ (the sum of weights), vcov_ (k, k)
    in the order of parameters_, converged_, n_iter_, message_, n_features_in_ and, for named columns,
    feature_names_in_; from these standard_errors_, aic_, bic_ and confidence_intervals().
    """

    _model: ClassVar[str]
    _columns: ClassVar[tuple[str, ...]]
    _parameters: ClassVar[tuple[str, ...]]

    max_iter: int
    tol: float

    def fit(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Learn the parameters.

        X: DataFrame with the model's columns, or (n, k) array of them. y: ignored.
        sample_weight: (n,) not negative; a weight of 2 means the row stands there twice.
        Raises ModelError (X or weights not valid), InsufficientDataError, ConvergenceError; nothing is learned then,
        and what an earlier fit had learned is gone.
        """
        forget(self)
        columns = self._read(X)
        weight = weights_of(sample_weight, len(columns[0]), self._model)
        likelihood, starts = self._likelihood(columns, weight)
        found = maximise(likelihood, starts, self._model, self._sought(), self.max_iter, self.tol)
        self._check(found.parameters)
        self._learn(found, likelihood)
        self.log_likelihood_, self.n_customers_ = found.value, likelihood.total_weight
        self.converged_, self.n_iter_, self.message_ = True, found.n_iter, found.message
        self._remember_features(X)
        self._remember_rows(columns, weight)
        return self

    @classmethod
    def with_parameters(cls, **parameters: float) -> Self:
        """The model with these parameters, as if it had learned them, but without their precision.

        Raises ModelError unless each parameter is named, finite and positive, and `fit` would keep them.
        """
        if set(parameters) != set(cls._parameters):
            raise invalid(cls._model, f"its parameters are {', '.join(cls._parameters)}, not {', '.join(parameters)}")
        model = cls()
        for name in cls._parameters:
            if not (np.isfinite(parameters[name]) and parameters[name] > 0):
                raise invalid(cls._model, f"{name} is {parameters[name]}; it must be finite and positive")
            setattr(model, f"{name}_", float(parameters[name]))
        model._check(np.array(model._fitted()))
        return model

    @property
    def parameters_(self) -> dict[str, float]:
        """The learned parameters by name; raises sklearn's NotFittedError before fit."""
        return dict(zip(self._parameters, self._fitted(), strict=True))

    @abstractmethod
    def log_likelihood(self, X: Any) -> Floats:
        """Log-likelihood of each customer, shape (n,)."""

    @abstractmethod
    def _read(self, X: Any) -> list[Floats]:
        """The model's columns of X, checked; raises ModelError."""

    @abstractmethod
    def _likelihood(self, columns: list[Floats], weight: Floats) -> tuple[Likelihood, list[Floats]]:
        """The summed log-likelihood, and where to begin; raises InsufficientDataError."""

    def _features(self) -> tuple[str, ...]:
        """The columns of X that the model reads."""
        return self._columns

    def _sought(self) -> tuple[str, ...]:
        """The names of what the search is for."""
        return self._parameters

    def _learn(self, found: Maximum, likelihood: Likelihood) -> None:
        """Keep what was found, and its precision."""
        self._learn_parameters(found.parameters)
        self.vcov_ = covariance(found.hessian, found.parameters)

    def _learn_parameters(self, parameters: Floats) -> None:
        for name, value in zip(self._parameters, parameters, strict=True):
            setattr(self, f"{name}_", float(value))

    def _check(self, parameters: Floats) -> None:
        """Raise ModelError for parameters that the model can't work with, though they are positive."""

    def _remember_rows(self, columns: list[Floats], weight: Floats) -> None:
        """Keep what else a model tells of the rows it was fitted on."""

    def _insufficient(self, reason: str) -> InsufficientDataError:
        return InsufficientDataError(model=self._model, reason=reason)

    def _fitted(self) -> tuple[float, ...]:
        """The learned parameters in the order of `_parameters`; raises sklearn's NotFittedError before fit."""
        check_is_fitted(self)
        return tuple(getattr(self, f"{name}_") for name in self._parameters)

    def _remember_features(self, X: Any) -> None:
        features = self._features()
        self.n_features_in_ = len(features)
        if names_in(X) is not None:
            self.feature_names_in_ = np.array(features, dtype=object)
