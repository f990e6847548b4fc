"""customer_segments: the segment of each customer in each scheme."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from ddcrm.scoring.schemes import chosen
from ddcrm.scoring.schemes.base import Day, Segmentation
from ddcrm.scoring.scores import texts_of

if TYPE_CHECKING:
    import pyarrow as pa


def segmentations(day: Day) -> list[Segmentation]:
    """The chosen schemes that can be told, in the order of SCHEMES: without its model a scheme has no segments."""
    found = [scheme.find(day) for scheme in chosen(day.segments)]
    return [segmentation for segmentation in found if segmentation is not None]


def customer_segments(customer_id: pa.Array, found: Sequence[Segmentation], as_of: date) -> pa.Table:
    """The published table: as_of, scheme, customer_id, segment, in the order of scheme and customer_id."""
    import pyarrow as pa

    n = len(customer_id)
    schemes = [pa.repeat(segmentation.scheme, n) for segmentation in found]
    segments = [texts_of(segmentation.codes, segmentation.names) for segmentation in found]
    columns = [
        pa.repeat(pa.scalar(as_of, pa.date32()), n * len(found)),
        pa.chunked_array(schemes, pa.string()),
        pa.chunked_array([customer_id] * len(found), pa.string()),
        pa.chunked_array(segments, pa.string()),
    ]
    return pa.table(columns, schema=schema())


def segment_parts(customer_id: pa.Array, found: Sequence[Segmentation], as_of: date, rows: int) -> Iterator[pa.Table]:
    """`customer_segments` in parts of so many rows at most, each of one scheme."""
    for each in found:
        for start in range(0, len(customer_id), rows):
            part = slice(start, start + rows)
            yield customer_segments(customer_id[part], [replace(each, codes=each.codes[part], detail=None)], as_of)


def schema() -> pa.Schema:
    """Columns and types of customer_segments."""
    import pyarrow as pa

    names = ("scheme", "customer_id", "segment")
    return pa.schema([pa.field("as_of", pa.date32(), False), *(pa.field(name, pa.string(), False) for name in names)])
