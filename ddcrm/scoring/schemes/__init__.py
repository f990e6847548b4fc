"""The schemes: each way of putting every customer of a day into a segment, a module each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

from ddcrm.scoring.forecast import period_again
from ddcrm.scoring.models import ScoringModels
from ddcrm.scoring.schemes import density, kmeans, lifecycle, loyalty, rfm, usage, value_tier
from ddcrm.scoring.schemes.base import Scheme
from ddcrm.scoring.scores import scoring_columns
from ddcrm.settings import SegmentSettings

if TYPE_CHECKING:
    import pyarrow as pa

    from ddcrm.lake.engine import Engine

SCHEMES: Mapping[str, Scheme] = {
    scheme.name: scheme
    for scheme in (module.SCHEME for module in (density, kmeans, lifecycle, loyalty, rfm, usage, value_tier))
}
"""Every scheme by its name, in the order of the published tables."""


def chosen(segments: SegmentSettings) -> list[Scheme]:
    """The schemes that the settings name, in the order of the published tables."""
    return [scheme for name, scheme in SCHEMES.items() if name in segments.schemes]


def scoring_features(segments: SegmentSettings, models: ScoringModels | None = None) -> tuple[str, ...]:
    """The features that a day's scores by these models and the chosen schemes need."""
    more = (column for scheme in chosen(segments) for column in scheme.features(segments))
    return tuple(dict.fromkeys((*scoring_columns(models or ScoringModels()), *more)))


def read_features(engine: Engine, as_of: date, models: ScoringModels) -> pa.Table | None:
    """The features that a day's scores by these models and the schemes of the project need, a row a customer.

    None where no orders have arrived by `as_of`; no rows where nobody has bought.
    """
    from ddcrm.features.periods import with_last_period
    from ddcrm.features.table import feature_table

    features = feature_table(engine, as_of, scoring_features(engine.settings.segments, models))
    days = period_again(models)
    return features if features is None or days is None else with_last_period(engine, features, as_of, days)
