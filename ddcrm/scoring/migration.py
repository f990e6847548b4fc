"""segment_migration: how many customers went from which segment to which, from the day before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ddcrm.scoring.schemes.base import Segmentation

if TYPE_CHECKING:
    import pyarrow as pa

NEW = "(new)"


def segment_migration(
    as_of: date,
    customers: pa.Array,
    found: Sequence[Segmentation],
    customers_before: pa.Array,
    found_before: Sequence[Segmentation],
) -> pa.Table:
    """The published table: as_of, scheme, from_segment, to_segment, customers, in the order of its key.

    It counts the customers of `as_of`, each in every scheme once; who had no segment in a scheme the day before comes
    from `(new)`.
    """
    import pyarrow as pa

    was = _positions(customers, customers_before)
    before = {segmentation.scheme: segmentation for segmentation in found_before}
    rows: list[tuple[str, str, str, int]] = []
    for segmentation in found:
        rows += _scheme_rows(segmentation, before.get(segmentation.scheme), was)
    rows.sort(key=lambda row: tuple(text.encode() for text in row[:3]))
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    return pa.table([pa.repeat(pa.scalar(as_of, pa.date32()), len(rows)), *map(pa.array, columns)], schema=schema())


def schema() -> pa.Schema:
    """Columns and types of segment_migration."""
    import pyarrow as pa

    names = ("scheme", "from_segment", "to_segment")
    key = [pa.field("as_of", pa.date32(), False), *(pa.field(name, pa.string(), False) for name in names)]
    return pa.schema([*key, pa.field("customers", pa.int32(), False)])


def _positions(customers: pa.Array, among: pa.Array) -> NDArray[np.int64]:
    """Where each customer stands in `among`, -1 where it does not."""
    import pyarrow.compute as pc

    return pc.fill_null(pc.index_in(customers, value_set=among), -1).to_numpy().astype(np.int64)


def _scheme_rows(
    now: Segmentation, before: Segmentation | None, was: NDArray[np.int64]
) -> list[tuple[str, str, str, int]]:
    names = before.names if before else ()
    origin = np.full(len(was), len(names), dtype=np.int64)
    if before:
        origin[was >= 0] = before.codes[was[was >= 0]]
    counts = _pairs((*names, NEW), now.names, origin, now.codes)
    return [(now.scheme, origin_name, name, n) for (origin_name, name), n in counts.items()]


def _pairs(
    origins: Sequence[str], targets: Sequence[str], origin: NDArray[np.integer], target: NDArray[np.integer]
) -> dict[tuple[str, str], int]:
    counts = np.bincount(origin * len(targets) + target, minlength=len(origins) * len(targets))
    pairs = [(first, second) for first in origins for second in targets]
    return {pair: int(n) for pair, n in zip(pairs, counts, strict=True) if n}
