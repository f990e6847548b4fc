"""All published tables of a day, from what was scored that day and the segments of the day before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from ddcrm.scoring import scores, segments
from ddcrm.scoring.actions import Actions
from ddcrm.scoring.migration import segment_migration
from ddcrm.scoring.profiles import segment_profiles
from ddcrm.scoring.schemes.base import Day, Segmentation
from ddcrm.scoring.scores import customer_scores, score_parts
from ddcrm.scoring.segments import customer_segments, segment_parts, segmentations

if TYPE_CHECKING:
    import pyarrow as pa

PART_ROWS = 1 << 20  # beyond so many customers the tables of them are made in parts


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

    def alone(self) -> DaySegments:
        """Without what the schemes know of each customer besides."""
        return DaySegments(self.customers, [replace(each, detail=None) for each in self.found])

    def detail(self, scheme: str) -> Any:
        """What a scheme knows of each customer besides; None without the scheme."""
        return next((segmentation.detail for segmentation in self.found if segmentation.scheme == scheme), None)


def published_tables(
    as_of: date, day: Day, before: DaySegments, actions: Actions
) -> dict[str, pa.Table | pa.RecordBatchReader]:
    """The tables by name, each in the order of its key; beyond PART_ROWS customers those of them come in parts."""
    today = DaySegments.of(day)
    return {
        **_customer_tables(as_of, day, today),
        "segment_profiles": segment_profiles(as_of, day, today.found, actions),
        "segment_migration": segment_migration(as_of, today.customers, today.found, before.customers, before.found),
    }


def _customer_tables(as_of: date, day: Day, today: DaySegments) -> dict[str, pa.Table | pa.RecordBatchReader]:
    loyalty = today.detail("loyalty")
    if len(today.customers) <= PART_ROWS:
        return {
            "customer_scores": customer_scores(day.scores, as_of, day.models, loyalty),
            "customer_segments": customer_segments(today.customers, today.found, as_of),
        }
    parts = score_parts(day.scores, as_of, day.models, loyalty, PART_ROWS)
    return {
        "customer_scores": _reader(scores.schema(), parts),
        "customer_segments": _reader(segments.schema(), segment_parts(today.customers, today.found, as_of, PART_ROWS)),
    }


def _reader(schema: pa.Schema, parts: Iterable[pa.Table]) -> pa.RecordBatchReader:
    import pyarrow as pa

    return pa.RecordBatchReader.from_batches(schema, (batch for part in parts for batch in part.to_batches()))
