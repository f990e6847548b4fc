"""The back-test for people: a line a method, then who speaks and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ddcrm.cli.output import Output
from ddcrm.training.said import sentence, silence

_HEADER = ("method", "MAE", "RMSE", "bias", "total/true", "rank corr.", "top tenth", "in 90 %", "orders MAE", "Brier")
_SPEND = ("mae", "rmse", "bias", "total_ratio", "spearman", "top_decile", "coverage")


def show(out: Output, found: Mapping[str, Any]) -> None:
    """Print what the back-test on a card says."""
    out.say(f"back-test: {found['customers']:,} customers known on {found['cut']}, "
            f"their spend in the {found['holdout_days']} days after it")  # fmt: skip
    methods = found["methods"].items()
    out.table([_row(name, one) for name, one in methods if "spend" in one], _HEADER)
    for words in silence(found):
        out.say(f"    {words}")
    out.say(sentence(found))


def _row(name: str, one: Mapping[str, Any]) -> list[str | None]:
    numbers = [one["spend"].get(measure) for measure in _SPEND]
    numbers += [one.get("purchases", {}).get("mae"), one.get("alive", {}).get("brier")]
    return [name, *(None if number is None else f"{number:,.3f}" for number in numbers)]
