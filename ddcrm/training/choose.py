"""Which method speaks: a pure decision on what the back-test measured.

The criterion. What is published is an expectation, and the squared error is the one that an expectation makes least
(the absolute error is least for the median, which is zero where most customers buy nothing). So the lowest RMSE of
spend wins; methods within TIE of it are equally good, and the simplest of them speaks, a heuristic before any model.
A model may speak only if its total is within BIAS of the truth (or nearer than the better heuristic's) and if it finds
at least FOUND of the share of the true top tenth that the better heuristic finds: a constant can do neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

from ddcrm.scoring.heuristics import HEURISTICS
from ddcrm.training.metrics import Measures

TIE, BIAS, FOUND = 0.01, 0.5, 0.9
CRITERION = (
    f"lowest RMSE of spend in the holdout; within {TIE:.0%} of it the simplest; a model's total must be within "
    f"{BIAS:.0%} of the truth, or nearer than the better heuristic's, and it must find {FOUND:.0%} of what that one "
    "finds of the true top tenth"
)
NONE_BETTER = f"no model that may speak is more than {TIE:.0%} better than the plain heuristic"


@dataclass(frozen=True)
class Decision:
    """The method that speaks; whether it is a model that beat the heuristics; why, in words; why others may not."""

    method: str
    beats_heuristic: bool
    reason: str
    barred: Mapping[str, str]


def choose(measured: Mapping[str, Measures], simple_first: Sequence[str], barred: Mapping[str, str]) -> Decision:
    """Decide by the measures of spend of each method (see `metrics.compare`); the heuristics must be among them.

    simple_first: the methods, the simplest first. barred: methods that may not speak for another reason, with it.
    """
    heuristic = min(HEURISTICS, key=lambda name: (_rmse(measured[name]), simple_first.index(name)))
    out = {**{name: why for name in measured if (why := _unfit(name, measured, heuristic))}, **barred}
    there = [name for name in simple_first if name in measured and name not in out]
    best = min(there, key=lambda name: _rmse(measured[name]))
    winner = next(name for name in there if _rmse(measured[name]) <= _rmse(measured[best]) * (1 + TIE))
    return Decision(winner, winner not in HEURISTICS, _reason(winner, best, heuristic, measured), out)


def _unfit(name: str, measured: Mapping[str, Measures], heuristic: str) -> str | None:
    """Why a model may not speak, if so."""
    if name in HEURISTICS:
        return None
    mine, plain = measured[name], measured[heuristic]
    off, allowed = (abs((one["total_ratio"] or 0.0) - 1) for one in (mine, plain))
    if off > max(BIAS, allowed):
        return f"its total is {mine['total_ratio'] or 0.0:.2f} of the truth"
    if (mine["top_decile"] or 0.0) < FOUND * (plain["top_decile"] or 0.0):
        return f"it finds {mine['top_decile'] or 0.0:.0%} of the true top tenth, {heuristic} {plain['top_decile']:.0%}"
    return None


def _reason(winner: str, best: str, heuristic: str, measured: Mapping[str, Measures]) -> str:
    mine, least, plain = (_rmse(measured[name]) for name in (winner, best, heuristic))
    tied = f" ({best} {least:.2f}: no more than {TIE:.0%} better, and less simple)" if least < mine else ""
    if winner in HEURISTICS:
        return f"{NONE_BETTER}: RMSE of spend {mine:.2f} with {winner}{tied}"
    return f"RMSE of spend {mine:.2f}, {heuristic} {plain:.2f}{tied}"


def _rmse(measures: Measures) -> float:
    value = measures["rmse"]
    return inf if value is None else value
