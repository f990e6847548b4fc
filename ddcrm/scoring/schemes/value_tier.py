"""value_tier: the tiers by lifetime value."""

from __future__ import annotations

from ddcrm.scoring.schemes.base import Day, Scheme, Segmentation
from ddcrm.scoring.scores import TIER_NAMES
from ddcrm.scoring.tiers import rule_of


def find(day: Day) -> Segmentation | None:
    """The tiers of the scores; None where lifetime value is withheld."""
    return None if day.scores.tier is None else Segmentation("value_tier", TIER_NAMES, day.scores.tier)


def rule(day: Day, segment: str) -> str:
    """The share of customers that a tier holds."""
    return rule_of(segment)


SCHEME = Scheme("value_tier", find, rule, TIER_NAMES)
