"""The champion of a training: what the back-test measured, who won, and the words for the card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ddcrm.errors import InsufficientDataError
from ddcrm.models.champion import Champion
from ddcrm.models.regression import KINDS
from ddcrm.scoring.forecast import REGRESSION
from ddcrm.scoring.heuristics import HEURISTICS
from ddcrm.settings import PurchaseSettings, ValueSettings
from ddcrm.training.backtest import Holdout, Measured, run
from ddcrm.training.choose import CRITERION, NONE_BETTER, Decision, choose
from ddcrm.training.fit import PURCHASE_MODELS, REGRESSIONS, Fitted
from ddcrm.training.intervals import NOTHING, Evidence, bands
from ddcrm.training.methods import SIMPLE_FIRST, methods
from ddcrm.training.metrics import Measures

NEVER_ALIVE = ("bgnbd",)  # gives P(alive) = 1 to whoever bought once (references: Fader, Hardie & Lee 2005)
_COUNTS = {
    "positive": "a calendar day with a line above zero is a purchase; returns alone and zero spend are none",
    "non_negative": "a calendar day with a line of zero or above is a purchase; returns alone are none",
    "any": "a calendar day with any line is a purchase, returns alone and zero spend too",
}


@dataclass(frozen=True)
class BackTest:
    """The measures of every method, and the decision on them; horizon_days: of what is published."""

    holdout: Holdout
    measured: Mapping[str, Measured]
    decision: Decision
    champion: Champion
    horizon_days: int

    def as_dict(self) -> dict[str, Any]:
        """For the card."""
        split, chosen = self.holdout.split, self.champion
        return {
            "cut": str(split.cut),
            "holdout_days": split.holdout_days,
            "horizon_days": self.horizon_days,
            "interval_days": chosen.bands.days if chosen.bands else None,
            "customers": len(self.holdout.spend),
            "bought_in_holdout": int((self.holdout.purchases > 0).sum()),
            "criterion": CRITERION,
            "champion": chosen.method,
            "beats_heuristic": self.decision.beats_heuristic,
            "reason": self.decision.reason,
            "barred": dict(self.decision.barred),
            "orders": chosen.orders,
            "alive": chosen.alive,
            "methods": {name: one.as_dict() for name, one in self.measured.items()},
        }


def back_test(
    holdout: Holdout,
    value: ValueSettings,
    versions: Mapping[str, str],
    regression: str | None = None,
    evidence: Evidence = NOTHING,
) -> BackTest:
    """Measure the methods and choose; `versions`: the models that were fitted on the whole history.

    regression: the kind of the regression of 365 days among them. evidence: what intervals learn from.
    A method whose models were not fitted on the whole may not speak. Raises InsufficientDataError where the data carry
    no back-test, or no model.
    """
    if not any(name in versions for name in PURCHASE_MODELS):
        raise InsufficientDataError(model="value", reason="no model of purchases could be fitted")
    measured = run(holdout, methods(value))
    decision = choose(_of(measured, "spend"), SIMPLE_FIRST, _without_models(versions) | _other_kinds(value, regression))
    orders, alive = _orders(measured, decision.method, versions), _alive(measured, decision.method, versions)
    parts = _parts(decision.method, orders) | ({alive} if alive else set())
    champion = Champion(
        decision.method,
        orders,
        alive,
        {name: versions[name] for name in sorted(parts)},
        bands(decision.method, holdout, measured[decision.method], evidence),
        holdout.split.holdout_days,
    )
    return BackTest(holdout, measured, decision, champion, value.horizon_days)


def fitted(test: BackTest, purchase: PurchaseSettings) -> Fitted:
    """The champion as the registry keeps it."""
    notes = [f"speaks: {test.champion.method}; {test.decision.reason}", f"what counts: {_COUNTS[purchase.counts]}"]
    notes.append(_judged(test))
    if not test.decision.beats_heuristic:
        notes.append(f"a plain heuristic is published: {NONE_BETTER}")
    parameters = {"backtest": test.as_dict(), "versions": test.champion.versions}
    return Fitted(test.champion, len(test.holdout.spend), parameters=parameters, metrics=_flat(test.measured),
                  notes=tuple(notes))  # fmt: skip


def _judged(test: BackTest) -> str:
    """Over how long the methods were judged, and what that leaves unjudged."""
    days, horizon = test.holdout.split.holdout_days, test.horizon_days
    if days == horizon:
        return f"judged over {days} days, as many as it speaks of"
    how = "by the model's own course of time"
    if test.champion.method in KINDS:
        how = f"by a fit on {REGRESSIONS[REGRESSION]} days"
    elif test.champion.method in HEURISTICS:
        how = "in proportion"
    return f"judged over {days} days; it speaks of {horizon} {how}, over which nothing was judged"


def _without_models(versions: Mapping[str, str]) -> dict[str, str]:
    """The models that were withheld on the whole history."""
    missing = {name: "it could not be fitted on the whole history" for name in PURCHASE_MODELS if name not in versions}
    if "gamma_gamma" not in versions:
        missing |= dict.fromkeys(PURCHASE_MODELS, "gamma_gamma could not be fitted on the whole history")
    return missing


def _other_kinds(value: ValueSettings, regression: str | None) -> dict[str, str]:
    """The regressions that can't speak of the horizon: those that are not the one of 365 days."""
    if abs(value.horizon_days - REGRESSIONS[REGRESSION]) > 1:  # 12 months have a day more in a leap year
        return dict.fromkeys(KINDS, f"regressions are of 365 days, the horizon is {value.horizon_days}")
    why = f"of 365 days it is {regression}" if regression else "there is no regression of 365 days: see regression_365d"
    return {kind: why for kind in KINDS if kind != regression}


def _of(measured: Mapping[str, Measured], what: str) -> dict[str, Measures]:
    """The measures of spend or of purchases, of the methods that have them."""
    return {name: measures for name, one in measured.items() if (measures := getattr(one, what)) is not None}


def _orders(measured: Mapping[str, Measured], method: str, versions: Mapping[str, str]) -> str:
    """Who speaks of purchases: the method itself if it can, else the best by the same criterion."""
    purchases = _of(measured, "purchases")
    missing = {name: "" for name in PURCHASE_MODELS if name not in versions}
    return method if method in purchases else choose(purchases, SIMPLE_FIRST, missing).method


def _alive(measured: Mapping[str, Measured], method: str, versions: Mapping[str, str]) -> str | None:
    """The model of P(alive): the one that speaks, or else the one that predicts purchases best; never BG/NBD."""
    able = [name for name in PURCHASE_MODELS if name not in NEVER_ALIVE and name in versions]
    if method in able:
        return method
    purchases = _of(measured, "purchases")
    return min((name for name in able if name in purchases), key=lambda name: purchases[name]["rmse"] or 0.0,
               default=None)  # fmt: skip


def _parts(method: str, orders: str) -> set[str]:
    """The models that the methods of value and purchases need."""
    models = {name for name in (method, orders) if name in PURCHASE_MODELS}
    if method in KINDS:
        return models | {REGRESSION}
    return models | ({"gamma_gamma"} if method in PURCHASE_MODELS else set())


def _flat(measured: Mapping[str, Measured]) -> dict[str, float]:
    """All measures by method.what.measure, for ops.model_metrics."""
    return {
        f"{name}.{what}.{measure}": value
        for name, one in measured.items()
        for what in ("purchases", "spend", "alive")
        for measure, value in (getattr(one, what) or {}).items()
        if value is not None
    }
