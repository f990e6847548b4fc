"""RFM: how recently, how often and for how much a customer bought, as scores from 1 to 5 and as a segment.

Needs no model and no training: the scores compare each customer with the others of the same day, and a fixed map
turns the three scores into a segment that a marketer can act on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ddcrm.errors import ModelError

Scores = NDArray[np.int8]
Texts = NDArray[np.object_]

SEGMENT_CODES: dict[str, tuple[str, ...]] = {
    name: tuple(codes.split())
    for name, codes in {
        "Champions": "555 554 544 545 454 455 445",
        "Loyal": "543 444 435 355 354 345 344 335",
        "Potential Loyalist": "553 551 552 541 542 533 532 531 452 451 442 441 431 453 433 432 423 353 352 351 342 341 "
        "333 323",
        "New Customers": "512 511 422 421 412 411 311",
        "Promising": "525 524 523 522 521 515 514 513 425 424 413 414 415 315 314 313",
        "Need Attention": "535 534 443 434 343 334 325 324",
        "About To Sleep": "331 321 312 221 213 231 241 251",
        "At Risk": "255 254 245 244 253 252 243 242 235 234 225 224 153 152 145 143 142 135 134 133 125 124",
        "Cannot Lose Them": "155 154 144 214 215 115 114 113",
        "Hibernating": "332 322 233 232 223 222 132 123 122 212 211",
        "Lost": "111 112 121 131 141 151",
    }.items()
}
"""The 11 segments and the codes (recency, frequency, monetary value) of each; the 125 codes each stand once."""

_CODES = [f"{r}{f}{m}" for r in range(1, 6) for f in range(1, 6) for m in range(1, 6)]
_SEGMENT_OF = {code: name for name, codes in SEGMENT_CODES.items() for code in codes}
_CODE_TABLE = np.array(_CODES, dtype=object)
_SEGMENT_TABLE = np.array([_SEGMENT_OF[code] for code in _CODES], dtype=object)


class RfmScores(NamedTuple):
    """Scores from 1 (worst) to 5 (best), each of shape (n,)."""

    r: Scores
    f: Scores
    m: Scores


def rfm_scores(recency_days: ArrayLike, frequency: ArrayLike, monetary_value: ArrayLike) -> RfmScores:
    """Score each customer against all customers that are given.

    recency_days: (n,) days since the last purchase, less is better. frequency: (n,) purchases. monetary_value: (n,)
    money. The score is the fifth of the population in which the customer's mid-rank falls (customers with a lesser
    value, and half of those with the same). So equal values always get equal scores, whatever the order of the rows,
    and where many share a value some scores stay empty: if all are equal, all get 3.
    Raises ModelError for values that are NaN or for columns of unequal length.
    """
    days, purchases, money = _columns(recency_days=recency_days, frequency=frequency, monetary_value=monetary_value)
    return RfmScores(_fifths(-days), _fifths(purchases), _fifths(money))


def rfm_segment(r: ArrayLike, f: ArrayLike, m: ArrayLike) -> Texts:
    """The segment of each customer, shape (n,), a key of SEGMENT_CODES; r, f and m are scores from 1 to 5.

    Raises ModelError for scores that are not whole numbers from 1 to 5.
    """
    return _SEGMENT_TABLE[_positions(r, f, m)]


def rfm_code(r: ArrayLike, f: ArrayLike, m: ArrayLike) -> Texts:
    """The code of each customer, such as "545", shape (n,); r, f and m are scores from 1 to 5.

    Raises ModelError for scores that are not whole numbers from 1 to 5.
    """
    return _CODE_TABLE[_positions(r, f, m)]


def _fifths(values: NDArray[np.float64]) -> Scores:
    """1 + the fifth of each value's mid-rank, in whole numbers so that no rounding decides at the borders."""
    ordered = np.sort(values)
    starts = np.concatenate([np.ones(min(len(ordered), 1), dtype=bool), ordered[1:] != ordered[:-1]])
    first = np.flatnonzero(starts)  # where each distinct value begins
    same = np.diff(first, append=len(ordered))
    score = 1 + 5 * (2 * first + same) // (2 * max(len(ordered), 1))
    borders = ordered[first[np.searchsorted(score, range(2, 1 + score.max(initial=1)))]]
    result = np.ones(len(values), dtype=np.int8)
    for border in borders:
        result += values >= border
    return result


def _columns(**columns: ArrayLike) -> list[NDArray[np.float64]]:
    try:
        arrays = {name: np.asarray(column, dtype=np.float64) for name, column in columns.items()}
    except (TypeError, ValueError) as error:
        raise _invalid(f"the columns are not numbers: {error}") from error
    for name, array in arrays.items():
        if array.ndim != 1 or np.isnan(array).any():
            raise _invalid(f"{name} is not one column of numbers without NaN")
    if len({len(array) for array in arrays.values()}) != 1:
        raise _invalid(f"the columns differ in length: {[len(array) for array in arrays.values()]}")
    return list(arrays.values())


def _positions(*scores: ArrayLike) -> NDArray[np.intp]:
    position: Any = 0
    for column in np.broadcast_arrays(*scores):
        if ((column < 1) | (column > 5) | (column != np.floor(column))).any():
            raise _invalid("scores must be whole numbers from 1 to 5")
        position = position * 5 + column.astype(np.intp) - 1
    return position


def _invalid(reason: str) -> ModelError:
    return ModelError("The input does not fit the model", model="rfm", reason=reason)
