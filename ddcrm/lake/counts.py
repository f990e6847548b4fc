"""Where the landed rows of a day went."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class DayCounts:
    """Where the landed rows of one day went; the reasons add up to their outcome."""

    landed: int = 0
    conformed: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    excluded: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0

    def adds_up(self) -> bool:
        """landed = conformed + quarantined + excluded + duplicates."""
        total = self.totals()
        return total.pop("landed") == sum(total.values())

    def totals(self) -> dict[str, int]:
        """The counts without the reasons."""
        return {"landed": self.landed, "conformed": self.conformed, "quarantined": self.quarantined.total(),
                "excluded": self.excluded.total(), "duplicates": self.duplicates}  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """The counts as JSON-ready values."""
        return {
            "landed": self.landed,
            "conformed": self.conformed,
            "quarantined": dict(self.quarantined),
            "excluded": dict(self.excluded),
            "duplicates": self.duplicates,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> DayCounts:
        """The inverse of as_dict."""
        return cls(
            values["landed"],
            values["conformed"],
            Counter(values["quarantined"]),
            Counter(values["excluded"]),
            values["duplicates"],
        )
