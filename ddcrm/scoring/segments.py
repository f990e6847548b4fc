"""customer_segments: the segment of each customer in each scheme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ddcrm.models.rfm import SEGMENT_CODES, rfm_segment
from ddcrm.scoring.models import ScoringModel, ScoringModels
from ddcrm.scoring.scores import ALL_SCORES, TIER_NAMES, Scored, rfm_positions, texts_of

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMES = ("kmeans", "rfm", "value_tier")
"""The schemes in the order of the published tables."""


@dataclass(frozen=True)
class Segmentation:
    """One scheme: the segment of each customer, (n,) in the order of customer_id, as a position in `names`."""

    scheme: str
    names: tuple[str, ...]
    codes: NDArray[np.integer[Any]]


def segmentations(scores: Scored, models: ScoringModels) -> list[Segmentation]:
    """The schemes that can be told, in the order of SCHEMES: without its model a scheme has no segments."""
    found = [_kmeans(scores, models.kmeans), _rfm(scores), _tiers(scores)]
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


def schema() -> pa.Schema:
    """Columns and types of customer_segments."""
    import pyarrow as pa

    names = ("scheme", "customer_id", "segment")
    return pa.schema([pa.field("as_of", pa.date32(), False), *(pa.field(name, pa.string(), False) for name in names)])


def _rfm(scores: Scored) -> Segmentation:
    names = tuple(SEGMENT_CODES)
    segment = np.array([names.index(name) for name in rfm_segment(*ALL_SCORES.T)], dtype=np.int8)
    return Segmentation("rfm", names, segment[rfm_positions(scores.rfm)])


def _tiers(scores: Scored) -> Segmentation | None:
    return None if scores.tier is None else Segmentation("value_tier", TIER_NAMES, scores.tier)


def _kmeans(scores: Scored, model: ScoringModel) -> Segmentation | None:
    import pandas as pd

    if model.estimator is None:
        return None
    columns = {name: scores.columns[name] for name in model.estimator.columns}
    labels = model.estimator.predict(pd.DataFrame(columns, copy=False))
    known = sorted(model.estimator.names_)
    codes = np.searchsorted(known, labels).astype(np.int16)
    return Segmentation("kmeans", tuple(model.estimator.names_[label] for label in known), codes)
