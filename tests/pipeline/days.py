"""Whole runs of the test shop."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ddcrm.dates import DateRange
from ddcrm.settings import Settings


def ingest(settings: Settings, first: date, last: date | None = None) -> None:
    from ddcrm.pipeline.ingest import ingest as step

    step(settings, "orders", DateRange(first, last or first))


def train(settings: Settings, as_of: date) -> None:
    from ddcrm.pipeline.train import train as step

    step(settings, as_of)


def score(settings: Settings, days: Iterable[date]) -> None:
    from ddcrm.pipeline.score import publish
    from ddcrm.pipeline.score import score as step

    for day in days:
        step(settings, day)
        publish(settings, day)


def days(settings: Settings, first: date, last: date) -> None:
    """Train where it is due, score and publish, day by day, as `ddcrm run` and the DAGs do."""
    from ddcrm.dates import DateRange
    from ddcrm.pipeline.train import training_due

    for day in DateRange(first, last):
        if training_due(settings, day):
            train(settings, day)
        score(settings, [day])
