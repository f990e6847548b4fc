"""How good what the report tells is, in sentences: none where it was not measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Facts = Mapping[str, Any]


def p_alive(back_test: Facts) -> list[str]:
    """P(alive) against who then bought, of every model that was measured, the one that speaks of it first."""
    speaks = back_test["alive"]
    measured = {name: one["alive"] for name, one in back_test["methods"].items() if one.get("alive")}
    if speaks not in measured:
        return []
    names = sorted(measured, key=lambda name: (name != speaks, name))
    each = [f"{name} {measured[name]['brier']:.3f} and {measured[name]['calibration_error']:.3f}" for name in names]
    return [
        f"P(alive) against who bought in the holdout of {back_test['holdout_days']} days, Brier score and calibration "
        f"error: {', '.join(each)}; who did not buy may be alive all the same, so these compare models on one holdout, "
        f"and do not tell whether 0.8 is 0.8."
    ]


def intervals(totals: Facts) -> list[str]:
    """What low and high are, and of how many customers they are nothing."""
    if not totals["with_interval"]:
        return []
    nothing = f"{totals['interval_of_nothing']:,} of {totals['with_interval']:,} customers"
    return [
        f"A customer's spend lies between low and high with a probability of 90 %: {nothing} have 0 to 0, for they buy "
        f"nothing with more than 90 %. Value is the expectation of that spend, and may lie above such an interval."
    ]


def segments(card: Facts | None) -> list[str]:
    """The quality of segments that were learned; card: of k-means or density, None without a model."""
    if card is None:
        return []
    found, parts = card["metrics"], []
    if "silhouette" in found:  # density has none with fewer than two crowds
        parts.append(f"silhouette {found['silhouette']:.2f} (1: well apart, 0: side by side)")
    if "noise_share" in found:
        parts.append(f"{100 * found['noise_share']:.1f} % of the customers unusual")
    rand = f"{found['stability_rand']:.2f} +- {found['stability_rand_std']:.2f}"
    parts.append(f"fitted again on bootstrap samples, adjusted Rand index {rand} (1: the same segments, 0: chance)")
    return [f"Learned as of {card['trained_as_of']}: {'; '.join(parts)}."]


def explanations(profiles: Sequence[Facts]) -> list[str]:
    """How far the explanations of a scheme's segments are its rules; of days from before there were any, nothing."""
    fidelity = profiles[0]["fidelity"] if profiles else None
    if fidelity is None:
        return []
    return [
        f"An explanation is the answers to at most three questions on what a customer did. The answers and the scheme "
        f"say the same of {100 * fidelity:.1f} % of all customers."
    ]
