"""How good predictions were: errors, ranks, the customers who mattered, and P(alive) against who then bought.

Every measure is a number of the predictions and the truth alone; None where it is not defined.
"""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Measures = dict[str, float | None]

_BINS = 10


def compare(predicted: Floats, actual: Floats) -> Measures:
    """All measures of predictions, (n,), against what then happened, (n,); n > 0.

    mae, rmse and bias (mean of predicted - actual) in the unit of the truth; total_ratio: sum predicted / sum actual;
    spearman and top_decile as `spearman` and `top_decile_share` say.
    """
    error, total = predicted - actual, float(actual.sum())
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt(np.square(error).mean())),
        "bias": float(error.mean()),
        "total_ratio": float(predicted.sum()) / total if total > 0 else None,
        "spearman": spearman(predicted, actual),
        "top_decile": top_decile_share(predicted, actual),
    }


def spearman(predicted: Floats, actual: Floats) -> float | None:
    """Spearman's rank correlation, equal values sharing their mean rank; None where one side is constant."""
    from scipy.stats import rankdata

    x, y = (rankdata(values) - (len(values) + 1) / 2 for values in (predicted, actual))
    scale = np.sqrt(np.einsum("i,i", x, x) * np.einsum("i,i", y, y))  # not BLAS: the same bits on any number of threads
    return float(np.einsum("i,i", x, y) / scale) if scale > 0 else None


def top_decile_share(predicted: Floats, actual: Floats) -> float | None:
    """Share of the true top tenth that is in the predicted top of the same size; None where nobody has anything.

    The true top are the ceil(n/10) greatest, or all above zero where those are fewer. Of several equal ones at the
    border each counts with the part of them that fits in: a constant prediction finds a tenth, whatever the order.
    """
    size = min(ceil(len(actual) / _BINS), int(np.count_nonzero(actual > 0)))
    if size == 0:
        return None
    return float(np.einsum("i,i", _membership(actual, size), _membership(predicted, size)) / size)


def _membership(values: Floats, size: int) -> Floats:
    """How far each value belongs to the `size` greatest: 1, 0, or the same part for all equal ones at the border."""
    border = np.partition(values, len(values) - size)[len(values) - size]
    above, equal = values > border, values == border
    return above + equal * ((size - np.count_nonzero(above)) / np.count_nonzero(equal))


def alive_calibration(p_alive: Floats, bought: NDArray[np.bool_]) -> tuple[Measures, list[dict[str, Any]]]:
    """P(alive), (n,), against who bought in the holdout, (n,): Brier score, calibration error, and a table by tenths.

    Who bought was alive; who did not buy may be alive all the same. So a well calibrated P(alive) lies at or above the
    share who bought, and the more so the shorter the holdout: the Brier score and the calibration error (mean over the
    tenths, by customers, of |mean P(alive) - share who bought|) serve to compare models on one holdout, no more.
    """
    edges = np.unique(np.quantile(p_alive, np.arange(1, _BINS) / _BINS))
    place = np.searchsorted(edges, p_alive, side="left")
    sizes = np.bincount(place, minlength=len(edges) + 1)
    expected, seen = (np.bincount(place, values, len(sizes)) for values in (p_alive, bought))
    measures: Measures = {
        "brier": float(np.square(p_alive - bought).mean()),
        "calibration_error": float(np.abs(expected - seen).sum() / len(p_alive)),
    }
    table = [
        {"customers": int(n), "p_alive_mean": float(p / n), "bought_share": float(share / n)}
        for n, p, share in zip(sizes, expected, seen, strict=True) if n
    ]  # fmt: skip
    return measures, table
