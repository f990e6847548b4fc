"""Days come in any order, several at once; each is scored when all days before it are there, and again where need be.

A day is announced once its batches are in the lake (`ops.runs`, step `announce`). It is released at once where no
earlier batch is missing. Else it waits, in the ledger and nowhere else, and whoever brings the last batch that it lacks
releases it with its own. A `Wave` is what was asked for together, a backfill: its days wait for all earlier days of it,
and one that was scored before an earlier day of the wave brought other data is released again. So the order in which
the days of a wave come, and how many at once, make no difference to what is published in the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ddcrm.dates import DateRange
from ddcrm.errors import DdcrmError
from ddcrm.progress import point
from ddcrm.settings import Settings

if TYPE_CHECKING:
    from ddcrm.pipeline.basis import Basis
    from ddcrm.pipeline.gaps import KnownDays
    from ddcrm.warehouse.ledger import Ledger
    from ddcrm.warehouse.records import PublishedDay


@dataclass(frozen=True)
class Wave:
    """Days that were asked for together: a name that no other wave has, and the first of them."""

    name: str
    first: date


@dataclass(frozen=True)
class Announced:
    """The last announcement of a day, by the database's clock."""

    day: date
    at: datetime
    wave: Wave | None

    def waits(self, published: Mapping[date, PublishedDay]) -> bool:
        """Whether the day was not published since."""
        return self.day not in published or published[self.day].published_at < self.at


def announce(settings: Settings, day: date, wave: Wave | None = None, *, allow_gap: bool = False) -> list[date]:
    """Say that a day's batches are in; returns the days that may be scored now, in order.

    Among them are later days that have waited for this one. `allow_gap` releases the day whatever is missing before it.
    Raises EarlierBatchMissingError where nothing may be scored and the day belongs to no wave: nobody has asked for the
    days that are missing. In a wave they come, and the result is empty.
    """
    from ddcrm.pipeline.basis import Basis
    from ddcrm.pipeline.gaps import KnownDays, gap_error, told
    from ddcrm.pipeline.record import opened

    with opened(settings) as ledger:
        _record(ledger, day, wave)
        published = {each.as_of: each for each in ledger.published_days()}
        if wave:
            _announce_again(settings, ledger, Basis.read(settings, ledger), day, wave, published)
        known = KnownDays.read(settings, ledger)
        waiting = [each for each in announced(ledger) if each.day >= day and each.waits(published)]
    known = known.let_pass(day) if allow_gap else known
    free = [each.day for each in waiting if (allow_gap and each.day == day) or not _missing(known, each, allow_gap)]
    missing = known.missing(day, wave.first if wave else None)
    point("release.days", day=str(day), released=len(free), waits_for=told(missing) if not free else "")
    if not free and wave is None:
        raise gap_error(day, missing)
    return free


def announced(ledger: Ledger) -> list[Announced]:
    """The last announcement of each day that was announced, in the order of the days."""
    from sqlalchemy import text

    query = (
        "SELECT DISTINCT ON (as_of) as_of, started_at, facts FROM ops.runs "
        "WHERE step = 'announce' AND status = 'succeeded' ORDER BY as_of, started_at DESC"
    )
    with ledger.warehouse.begin() as connection:
        rows = connection.execute(text(query)).all()
    return [Announced(as_of, at, _wave(facts)) for as_of, at, facts in rows]


def waiting(settings: Settings, ledger: Ledger) -> dict[date, str]:
    """The announced days that can't be scored yet, each with the batches that it waits for, in words."""
    from ddcrm.pipeline.gaps import KnownDays, told

    published = {each.as_of: each for each in ledger.published_days()}
    known = KnownDays.read(settings, ledger)
    days = [each for each in announced(ledger) if each.waits(published)]
    missing = {each.day: known.missing(each.day, each.wave.first if each.wave else None) for each in days}
    return {day: told(batches) for day, batches in missing.items() if batches}


def train_in_turn(settings: Settings, day: date, *, force: bool = False) -> dict[str, Any]:
    """Train as of `day` where it is due (or `force`), and before that as of earlier days whose turn it is.

    Those are days that wait, or belong to the day's wave, are due, and were not trained on what is known now: released
    days come in no order, but a day's models must not depend on it. Where an earlier training can't be done it is
    left, as it would have been on its own; what may pass is raised.
    """
    from ddcrm.pipeline.train import train, training_due

    earlier = list(_train_earlier(settings, day))
    due = force or training_due(settings, day)
    facts = train(settings, day).as_dict() if due else {}
    return {"trained": due, "before": [str(each) for each in earlier], **facts}


def _record(ledger: Ledger, day: date, wave: Wave | None) -> None:
    facts = {"wave": wave.name, "first": str(wave.first)} if wave else {}
    with ledger.run("announce", as_of=day) as run:
        run.facts.update(facts)


def _wave(facts: Mapping[str, Any]) -> Wave | None:
    return Wave(facts["wave"], date.fromisoformat(facts["first"])) if "wave" in (facts or {}) else None


def _announce_again(
    settings: Settings, ledger: Ledger, basis: Basis, day: date, wave: Wave, published: Mapping[date, PublishedDay]
) -> None:
    """Announce the later days of the wave again that were published from other data than there is now."""
    later = [each for each in announced(ledger) if each.day > day and each.wave == wave and not each.waits(published)]
    stale = _stale_training(settings, basis, wave) if later else None
    for each in later:
        if (stale and stale <= each.day) or _is_stale(basis, published[each.day]):
            _record(ledger, each.day, wave)


def _is_stale(basis: Basis, day: PublishedDay) -> bool:
    from ddcrm.pipeline.basis import data_of_day
    from ddcrm.pipeline.learned import reads_of

    return day.made_by is None or day.made_by["data"] != data_of_day(basis, day.as_of, reads_of(day))


def _stale_training(settings: Settings, basis: Basis, wave: Wave) -> date | None:
    """The first training as of a day of the wave, or after it, that would come out otherwise now."""
    from ddcrm.pipeline.train import registry
    from ddcrm.training.fit import models_of

    days = {day for name in models_of(settings.segments) for day in registry(settings).pointers(name)}
    return next((day for day in sorted(days) if day >= wave.first and not _is_trained(settings, basis, day)), None)


def _missing(known: KnownDays, each: Announced, allow_gap: bool) -> bool:
    first = each.wave.first if each.wave and not allow_gap else None
    return bool(known.missing(each.day, first))


def _train_earlier(settings: Settings, day: date) -> Iterator[date]:
    """Train as of the earlier days whose turn it is; gives those that were trained."""
    from ddcrm.pipeline.basis import TRAINED_ON, Basis
    from ddcrm.pipeline.record import opened
    from ddcrm.pipeline.train import train, training_due

    with opened(settings) as ledger:
        basis, days = Basis.read(settings, ledger), _earlier(ledger, day)
    again = False  # what follows a training that was done is done, too
    for each in (each for each in days if basis.seen(each, TRAINED_ON)):
        if training_due(settings, each) and (again or not _is_trained(settings, basis, each)):
            try:
                train(settings, each)
            except DdcrmError as error:
                if error.retryable:
                    raise
                point("release.not_trained", as_of=str(each), error=type(error).__name__)
                continue
            again = True
            yield each


def _earlier(ledger: Ledger, day: date) -> list[date]:
    """The days before `day` that wait, or belong to its wave."""
    published = {each.as_of: each for each in ledger.published_days()}
    known = announced(ledger)
    days = {each.day for each in known if each.day < day and each.waits(published)}
    wave = next((each.wave for each in known if each.day == day), None)
    if wave and wave.first < day:
        days |= set(DateRange(wave.first, day - timedelta(days=1)))
    return sorted(days)


def _is_trained(settings: Settings, basis: Basis, day: date) -> bool:
    """Whether the training as of a day would come out the same now."""
    from ddcrm.pipeline.basis import training_made_by, training_now
    from ddcrm.pipeline.train import registry
    from ddcrm.training.fit import models_of

    now, models = training_made_by(settings, basis, day), registry(settings)
    pointers = [models.pointers(name).get(day) for name in models_of(settings.segments)]
    return all(
        pointer and pointer["made_by"] == training_now(now, basis, day, pointer["made_by"]) for pointer in pointers
    )
