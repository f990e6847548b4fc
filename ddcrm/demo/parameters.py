"""What the demo company is made of: its size and dates, the process behind its purchases, the dirt it delivers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import numpy as np

from ddcrm.dates import DateRange
from ddcrm.errors import SettingsError

GENERATOR_VERSION = "1"  # raised when the same parameters give other bytes
TIMEZONE = "Europe/Berlin"  # of the shop's clocks and of its business days


@dataclass(frozen=True)
class Process:
    """How customers buy and spend; the time unit is the week, the money unit the euro.

    BG/NBD (Fader, Hardie & Lee 2005): purchase rate ~ Gamma(r, rate alpha), dropout after each repeat purchase with
    probability ~ Beta(a, b). Gamma-Gamma (Fader & Hardie 2013): a purchase is worth Gamma(p, rate nu), where
    nu ~ Gamma(q, rate v).
    """

    r: float = 0.85
    alpha: float = 6.0
    a: float = 0.7
    b: float = 3.0
    p: float = 6.0
    q: float = 4.0
    v: float = 28.0


@dataclass(frozen=True)
class Dirt:
    """How many rows (or orders) of each kind are planted at most; fewer where the company is too small to hide them.

    Rows that a batch must quarantine stand alone in their day, in a batch of at least `min_rows` good ones.
    """

    min_rows: int = 25
    broken_dates: int = 8
    unknown_channels: int = 6
    negative_prices: int = 5
    thousands_separators: int = 7
    missing_customer_keys: int = 6
    missing_order_ids: int = 4
    duplicate_lines: int = 25
    test_orders: int = 12
    late_orders: int = 40
    corrections: int = 40
    anonymous_events: int = 30
    duplicate_events: int = 20
    broken_sent_dates: int = 4
    bad_ratings: int = 5
    duplicate_reviews: int = 5
    invalid_emails: int = 15
    bad_satisfactions: int = 5

    @classmethod
    def none(cls) -> Dirt:
        """A company whose deliveries are clean, punctual and final."""
        return cls(**dict.fromkeys(cls.__dataclass_fields__, 0))


@dataclass(frozen=True)
class Company:
    """Everything that the generator depends on: the same company gives the same bytes."""

    seed: int = 1
    customers: int = 2_500  # those who bought at least once
    dates: DateRange = field(default_factory=lambda: DateRange(date(2025, 1, 1), date(2026, 6, 30)))
    process: Process = Process()
    dirt: Dirt = Dirt()
    variants: Mapping[str, DateRange] = field(default_factory=dict)  # order layouts other than "plain", and their days

    def __post_init__(self) -> None:
        if self.customers < 1:
            raise SettingsError(f"a company of {self.customers} customers", hint="Ask for at least one.")
        if len(self.dates) < 2:
            raise SettingsError(f"a company that lasts for {len(self.dates)} day", hint="Give it at least two days.")

    @property
    def days(self) -> int:
        """The number of days of history."""
        return len(self.dates)

    def day(self, offset: int) -> date:
        """The day that many days after the first one."""
        return self.dates.first + timedelta(days=int(offset))

    def offset(self, day: date) -> int:
        """The inverse of `day`."""
        return (day - self.dates.first).days

    def rng(self, part: str) -> np.random.Generator:
        """The stream of one part, so that a change in one part leaves the others as they were."""
        return np.random.default_rng([self.seed, *part.encode()])

    def with_dirt(self, **counts: int) -> Company:
        """The same company with other counts of dirt."""
        return replace(self, dirt=replace(self.dirt, **counts))

    def as_dict(self) -> dict[str, Any]:
        """The parameters as JSON-ready values."""
        return {
            "generator": GENERATOR_VERSION, "seed": self.seed, "customers": self.customers,
            "first_day": str(self.dates.first), "last_day": str(self.dates.last), "timezone": TIMEZONE,
            "bgnbd": {name: getattr(self.process, name) for name in ("r", "alpha", "a", "b")} | {"unit_days": 7},
            "gamma_gamma": {name: getattr(self.process, name) for name in ("p", "q", "v")},
            "dirt_asked": asdict(self.dirt), "variants": {name: str(dates) for name, dates in self.variants.items()},
        }  # fmt: skip
