"""All published tables of a day, from what was scored that day and the segments of the day before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from ddcrm.scoring.actions import Actions
from ddcrm.scoring.migration import segment_migration
from ddcrm.scoring.profiles import segment_profiles
from ddcrm.scoring.schemes.base import Day, Segmentation
from ddcrm.scoring.scores import customer_scores
from ddcrm.scoring.segments import customer_segments, segmentations

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class DaySegments:
    """The customers of a day in the order of their ids, and their segments in each scheme."""

    customers: pa.Array
    found: Sequence[Segmentation]

    @classmethod
    def nobody(cls) -> DaySegments:
        """A day before all data."""
        import pyarrow as pa

        return cls(pa.array([], pa.string()), ())

    @classmethod
    def of(cls, day: Day) -> DaySegments:
        """The segments of customers who were scored."""
        return cls(day.scores.customer_id, segmentations(day))

    def detail(self, scheme: str) -> Any:
        """What a scheme knows of each customer besides; None without the scheme."""
        return next((segmentation.detail for segmentation in self.found if segmentation.scheme == scheme), None)


def published_tables(as_of: date, day: Day, before: DaySegments, actions: Actions) -> dict[str, pa.Table]:
    """The tables by name, each in the order of its key."""
    today = DaySegments.of(day)
    return {
        "customer_scores": customer_scores(day.scores, as_of, day.models, today.detail("loyalty")),
        "customer_segments": customer_segments(today.customers, today.found, as_of),
        "segment_profiles": segment_profiles(as_of, day, today.found, actions),
        "segment_migration": segment_migration(as_of, today.customers, today.found, before.customers, before.found),
    }
