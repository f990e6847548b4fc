"""Report: the page of a published day, from the warehouse, the lake and the registry; it changes nothing."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddcrm.errors import MissingDataError, ModelError
from ddcrm.settings import Settings

if TYPE_CHECKING:
    from ddcrm.report.page import Section
    from ddcrm.report.published import PublishedDay
    from ddcrm.report.tracking import Tracked
    from ddcrm.training.registry import Card

    Cards = dict[str, Card]


@dataclass(frozen=True)
class ReportResult:
    """Where the page is."""

    as_of: date
    file: Path
    sections: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """References, ready for JSON."""
        return {"step": "report", "as_of": str(self.as_of), "file": str(self.file), "sections": list(self.sections)}


def report(settings: Settings, as_of: date | None = None, out: Path | None = None) -> ReportResult:
    """Write the report of a published day, the newest complete one by default, as one HTML file.

    out: the file; <state>/reports/<as_of>.html by default. Raises MissingDataError where the day is not published.
    """
    from ddcrm.atomic import write_text
    from ddcrm.pipeline.record import opened
    from ddcrm.report import sections
    from ddcrm.report.page import Page, render
    from ddcrm.report.published import read_day

    with opened(settings) as ledger:
        chosen = as_of or ledger.current_day()
        day = read_day(ledger.warehouse, chosen) if chosen else None
    if day is None or not day.found["publications"]:
        message = "this day is not published" if as_of else "no day is published yet"
        raise MissingDataError(message, as_of=as_of and str(as_of), hint="Publish it first: ddcrm score --as-of DAY.")
    cards = _cards(settings, day)
    parts = [*_value(settings, day, cards), *sections.segment_sections(day, cards), sections.business_section(day),
             sections.origin_section(day)]  # fmt: skip
    file = out or settings.state_dir / "reports" / f"{day.as_of}.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, render(Page(f"Customers as of {day.as_of}", sections.facts(day, _horizon(settings)), parts)))
    return ReportResult(day.as_of, file, tuple(part.title for part in parts))


def _value(settings: Settings, day: PublishedDay, cards: Cards) -> list[Section]:
    from ddcrm.report import sections

    back_test = cards["value"]["parameters"]["backtest"] if "value" in cards else None
    tracked = _tracked(settings, day.as_of, back_test)
    parts = [sections.value_section(day, back_test, tracked, _horizon(settings))]
    if not isinstance(tracked, str):
        tenure_days = (day.as_of - tracked.days[0]).days / 2
        parts.append(sections.model_section(tracked.model, tracked.alive, tenure_days, settings.value.unit_days))
    return parts


def _horizon(settings: Settings) -> str:
    """The horizon of value in words."""
    return settings.value.horizon or f"{settings.value.horizon_days} days"


def _cards(settings: Settings, day: PublishedDay) -> Cards:
    """The cards of the models that the day was scored with, by name; those alone that can still be read."""
    from ddcrm.pipeline.train import registry

    models = registry(settings)
    found: Cards = {}
    for name, version in day.models.items():
        with suppress(ModelError):
            found[name] = models.version(name, version).card
    return found


def _tracked(settings: Settings, as_of: date, back_test: Card | None) -> Tracked | str:
    """The models of purchases and of P(alive) that the champion takes beside what came, or why there is none."""
    from ddcrm.lake.engine import Engine
    from ddcrm.report.tracking import track
    from ddcrm.training.backtest import Split
    from ddcrm.training.fit import PURCHASE_MODELS

    if back_test is None:
        return "no back-test has been run"
    orders, alive = (name if name in PURCHASE_MODELS else None for name in (back_test["orders"], back_test["alive"]))
    name = orders or alive
    if name is None:
        return "no model of purchases speaks"
    split = Split(date.fromisoformat(back_test["cut"]), back_test["holdout_days"])
    last = date.fromordinal(split.cut.toordinal() + split.holdout_days)
    try:
        with Engine(settings) as engine:
            return track(engine, max(last, as_of), Split(split.cut, (max(last, as_of) - split.cut).days), name, alive)
    except (ModelError, MissingDataError) as error:
        return str(error.message)
