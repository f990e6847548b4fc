"""Spend in the next days by regression on all features: linear, ridge, polynomial, a tree, a forest, boosting.

Each is a scikit-learn pipeline: impute (median, with an indicator), scale where it matters, one-hot texts, leave out
what does not vary or says least of the target, regress. Trees are bounded in size, and everything is fitted on one
thread with a fixed seed. What is scaled is held to the range that was learned first, and so are the polynomial's
products: a value beyond it counts as its end, as it does for a tree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from ddcrm.errors import InsufficientDataError, ModelError
from ddcrm.models.base import forget
from ddcrm.models.threads import one_thread

Floats = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]

KINDS = ("linear", "ridge", "tree", "polynomial", "forest", "boosting")
"""The kinds of regression, the simpler ones first."""

LEAST_ROWS, LEAST_SPENDERS = 500, 100
_MOST_ROWS = 50_000  # customers that a fit takes, evenly over their ids; all are predicted
_WIDE = 40  # features; where there are more, fewer are looked at once, so that a fit takes about as long
_BLOCK = 65_536  # customers predicted in one go, so that memory does not grow with them
_SCALED = ("linear", "ridge", "polynomial")
_KEPT = 80  # per cent of the features, after encoding, that say most of the target
_FACTORS = 30  # ... and of those whose products the polynomial takes


class SpendRegression(BaseEstimator):
    """Spend in the next days from features.

    X is a mapping of arrays, (n,) each: numbers (NaN where unknown) in `numbers`, texts or None in `texts`.
    Learned: pipeline_, used_ (the features that predictions depend on). The spend predicted is never below zero.
    """

    def __init__(self, kind: str = "ridge", numbers: tuple[str, ...] = (), texts: tuple[str, ...] = ()) -> None:
        self.kind = kind
        self.numbers = numbers
        self.texts = texts

    def fit(self, X: Columns, y: Floats) -> Self:
        """Learn from features and the spend, (n,), that came after them.

        Raises ModelError for a kind that there is not, InsufficientDataError with fewer than LEAST_ROWS customers or
        LEAST_SPENDERS of them who spent something.
        """
        forget(self)
        if self.kind not in KINDS:
            raise ModelError(f"there is no regression {self.kind}", hint=f"Choose from {', '.join(KINDS)}.")
        _enough(len(y), LEAST_ROWS, "customers")
        _enough(int(np.count_nonzero(y > 0)), LEAST_SPENDERS, "customers who spent something then")
        rows = np.arange(0, len(y), -(-len(y) // _MOST_ROWS))
        with one_thread():  # sums by several threads differ in the last bits
            self.pipeline_ = _pipeline(self.kind, self.numbers, self.texts).fit(self._frame(X, rows), y[rows])
        said = self.importance()
        self.used_ = tuple(name for name in (*self.numbers, *self.texts) if name in said)
        return self

    def predict(self, X: Columns) -> Floats:
        """Expected spend, (n,), never below zero; of X only the features in `used_` are needed, and any column."""
        n = len(next(iter(X.values())))
        unused: dict[str, Any] = {name: np.broadcast_to(np.nan, n) for name in self.numbers if name not in self.used_}
        nothing = np.array(None, dtype=object)
        unused |= {name: np.broadcast_to(nothing, n) for name in self.texts if name not in self.used_}
        blocks = [slice(start, start + _BLOCK) for start in range(0, n, _BLOCK)]
        with one_thread():
            found = [self.pipeline_.predict(self._frame({**X, **unused}, block)) for block in blocks]
        return np.maximum(np.concatenate([np.empty(0), *found]), 0.0)

    def importance(self) -> dict[str, float]:
        """The features that predictions depend on with their shares, see `regression_use.feature_shares`."""
        from ddcrm.models.regression_use import feature_shares

        return feature_shares(self.pipeline_)

    def _frame(self, X: Columns, rows: NDArray[np.intp] | slice = slice(None)) -> Any:
        import pandas as pd

        numbers = {name: np.asarray(X[name][rows], dtype=np.float64) for name in self.numbers}
        texts = {name: pd.Series(X[name][rows], dtype=object).fillna("").to_numpy(dtype=object) for name in self.texts}
        return pd.DataFrame({**numbers, **texts})


def _pipeline(kind: str, numbers: tuple[str, ...], texts: tuple[str, ...]) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_selection import SelectPercentile, VarianceThreshold, f_regression
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, PolynomialFeatures, StandardScaler

    fill = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    scaled = Pipeline([("fill", fill), ("within", MinMaxScaler(clip=True)), ("scale", StandardScaler())])
    prepared: Any = scaled if kind in _SCALED else fill
    encode = OneHotEncoder(max_categories=12, handle_unknown="infrequent_if_exist", sparse_output=False)
    columns = ColumnTransformer([("numbers", prepared, list(numbers)), ("texts", encode, list(texts))])
    share = min(1.0, _WIDE / max(len(numbers) + len(texts), 1))
    kept = _FACTORS * share if kind == "polynomial" else _KEPT
    steps: list[tuple[str, Any]] = [("columns", columns), ("varies", VarianceThreshold())]
    steps.append(("select", SelectPercentile(f_regression, percentile=kept)))
    if kind == "polynomial":
        products = PolynomialFeatures(2, include_bias=False)
        steps += [("products", products), ("known", MinMaxScaler(clip=True)), ("again", StandardScaler())]
    return Pipeline([*steps, ("regress", _regressor(kind, share))])


def _regressor(kind: str, share: float) -> Any:
    """share: of the features that a split may look at, of those that it looks at where there are few."""
    from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
    from sklearn.linear_model import LinearRegression, Ridge
    from sklearn.tree import DecisionTreeRegressor

    made = {
        "linear": LinearRegression,
        "ridge": lambda: Ridge(alpha=10.0),
        "polynomial": lambda: Ridge(alpha=100.0),
        "tree": lambda: DecisionTreeRegressor(max_depth=6, min_samples_leaf=50, random_state=0),
        "forest": lambda: RandomForestRegressor(60, max_depth=8, min_samples_leaf=25, max_features=0.4 * share,
                                                max_samples=0.5, random_state=0, n_jobs=1),
        "boosting": lambda: GradientBoostingRegressor(n_estimators=80, learning_rate=0.06, max_depth=3, subsample=0.5,
                                                      min_samples_leaf=25, max_features=0.5 * share, random_state=0),
    }  # fmt: skip
    return made[kind]()


def _enough(there: int, needed: int, what: str) -> None:
    if there < needed:
        raise InsufficientDataError(model="regression", reason=f"{there} {what}, fewer than {needed}")
