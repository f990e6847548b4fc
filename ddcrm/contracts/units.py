"""Has a column's unit changed? Told by the size of its values against that of earlier batches. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from ddcrm.contracts.change import Change
from ddcrm.settings import ChangeSettings

_SAME = 2.0  # quartiles that move by the same factor, up to this one
_STEADY = 3.0  # most earlier medians are at most this factor away from the usual one
_MOST = 0.8  # of the earlier values
_WHOLE = 0.9  # from this share of whole numbers on, a column is one of whole numbers


@dataclass(frozen=True)
class Profile:
    """One column of one batch: `filled` of `rows` have a value, `values` one other than zero.

    Quartiles are those of the magnitudes of these values; `whole` of them are whole numbers. Columns that are no
    numbers have none.
    """

    rows: int
    filled: int
    values: int = 0
    quartiles: tuple[float, float, float] | None = None
    whole: int = 0


def unit_change(column: str, now: Profile, before: Sequence[Profile], limits: ChangeSettings) -> Change | None:
    """unit_changed or distribution_shifted where the values' size has jumped; None else, or with too little to judge.

    `before` are the profiles of earlier batches. A unit changes all quartiles by one factor.
    """
    known = [profile for profile in before if profile.quartiles]
    enough = sum(profile.values for profile in known) >= limits.min_values
    if now.quartiles is None or now.values < limits.min_values or len(known) < limits.min_batches or not enough:
        return None
    usual = [_weighted_median([(each.quartiles[place], each.values) for each in known if each.quartiles])
             for place in range(3)]  # fmt: skip
    ratios = [new / old for new, old in zip(now.quartiles, usual, strict=True)]
    if 1 / limits.shift_factor < ratios[1] < limits.shift_factor or not _one_factor(ratios):
        return None
    factor = known_factor(ratios[1], limits)
    facts = {"ratio": _rounded(ratios[1]), "median_before": _rounded(usual[1]),
             "median_now": _rounded(now.quartiles[1]), "values": now.values}  # fmt: skip
    if factor is None or not _steady(known, usual[1]):
        return Change("distribution_shifted", column, facts)
    fractions = _fractions(now, known, factor)
    return Change("unit_changed", column, {"factor": factor, **facts, "fractions": fractions,
                                           "certain": fractions != "still there"})  # fmt: skip


def known_factor(ratio: float, limits: ChangeSettings) -> float | None:
    """The factor between units that a ratio is near to, None where it is near to none: 97 is 100, 0.011 is 0.01."""
    factors = [*limits.unit_factors, *(1 / factor for factor in limits.unit_factors)]
    return next((factor for factor in factors if _near(ratio, factor, 1 + limits.unit_tolerance)), None)


def _steady(before: Sequence[Profile], usual: float) -> bool:
    near = sum(each.values for each in before if each.quartiles and _near(each.quartiles[1], usual, _STEADY))
    return near >= _MOST * sum(each.values for each in before)


def _one_factor(ratios: Sequence[float]) -> bool:
    return all(_near(ratio, ratios[1], _SAME) for ratio in ratios)


def _near(value: float, other: float, factor: float) -> bool:
    return value > 0 and other > 0 and abs(log(value / other)) <= log(factor)


def _fractions(now: Profile, before: Sequence[Profile], factor: float) -> str:
    """What became of the digits behind the point: in a smaller unit they go, in a larger one they come."""
    after = now.whole / now.values >= _WHOLE
    earlier = sum(each.whole for each in before) / sum(each.values for each in before) >= _WHOLE
    if factor > 1 and not after:
        return "still there"
    if after == earlier:
        return "as before"
    return "gone" if after else "new"


def _weighted_median(pairs: Sequence[tuple[float, int]]) -> float:
    """Batches count by their values, so that tiny days don't."""
    total, reached = sum(weight for _, weight in pairs), 0
    for value, weight in sorted(pairs):
        reached += weight
        if 2 * reached >= total:
            return value
    raise ValueError("no values")


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
