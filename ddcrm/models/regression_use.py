"""Which features a fitted regression uses, and how much each of them says: read off its pipeline, without data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def feature_shares(pipeline: Any) -> dict[str, float]:
    """The features that a prediction depends on, each with its share of what they say together; the greatest first.

    Of linear regressions a feature says the absolute coefficient for a standard deviation of it (of the polynomial in
    all products in which it is), of trees the error that its splits take away. A feature stands for its categories
    and for the indicator that it is missing. Shares sum to 1; all are 0 where splits take nothing away.
    """
    said, used = _columns_of(pipeline)
    found: dict[str, float] = {}
    for name, amount, used_one in zip(_owners(pipeline), said, used, strict=True):
        if used_one:
            found[name] = found.get(name, 0.0) + float(amount)
    total = sum(found.values()) or 1.0
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return {name: amount / total for name, amount in ordered}


def _owners(pipeline: Any) -> list[str]:
    """The feature behind each column that is left after the selection."""
    columns = pipeline["columns"]
    given = {name: list(features) for name, _, features in columns.transformers}
    fill = columns.named_transformers_["numbers"]
    fill = fill["fill"] if hasattr(fill, "steps") else fill
    numbers = given["numbers"]
    owners = [*numbers, *(numbers[place] for place in fill.indicator_.features_)]
    if given["texts"]:
        encode = columns.named_transformers_["texts"]
        for name, values, rare in zip(given["texts"], encode.categories_, encode.infrequent_categories_, strict=True):
            owners += [name] * (len(values) if rare is None else len(values) - len(rare) + 1)
    left = np.array(owners, dtype=object)[pipeline["varies"].get_support()]
    return list(left[pipeline["select"].get_support()])


def _columns_of(pipeline: Any) -> tuple[Floats, Flags]:
    """Of each column that is left: how much it says, and whether a prediction depends on it."""
    regress = pipeline["regress"]
    if hasattr(regress, "feature_importances_"):
        used = np.zeros(regress.n_features_in_, dtype=bool)
        for tree in _trees(regress):
            used[tree.feature[tree.feature >= 0]] = True
        return regress.feature_importances_, used
    size = np.abs(regress.coef_)
    if "products" in pipeline.named_steps:  # scaled once more: a coefficient is for a standard deviation
        said = size @ (pipeline["products"].powers_ > 0)
        return said, np.ones(len(said), dtype=bool)
    deviation = np.sqrt(pipeline["varies"].variances_[pipeline["varies"].get_support()])
    return size * deviation[pipeline["select"].get_support()], np.ones(len(size), dtype=bool)


def _trees(regress: Any) -> list[Any]:
    if hasattr(regress, "tree_"):
        return [regress.tree_]
    return [each.tree_ for each in np.ravel(np.asarray(regress.estimators_, dtype=object))]
