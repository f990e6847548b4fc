"""The work of a restatement, in its own lake: batches, then models, then days. What is done is not done again.

Every unit leaves a fact when it is whole: a batch its record, a training its pointer, a day its folder and its staged
tables. So a run that was killed goes on where it was, and so does one whose plan has grown.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any

from ddcrm.dates import DateRange
from ddcrm.pipeline.basis import Basis, training_made_by, training_now
from ddcrm.pipeline.plan import Plan
from ddcrm.pipeline.restate_detect import hold_against_those_before
from ddcrm.pipeline.shadow import Key, ShadowLedger
from ddcrm.progress import point
from ddcrm.settings import Settings

if TYPE_CHECKING:
    from ddcrm.contracts.choose import Contracts
    from ddcrm.contracts.model import Contract
    from ddcrm.warehouse.records import Batch, Validation

DAYS_AT_ONCE = 92  # of a source that are conformed as one range, at most
LEAST_DAYS = 31  # and at least, for several ranges at once
ROWS_AT_ONCE = 2_000_000


@dataclass
class Work:
    """What the units share: where they work, for what plan, and what makes each batch now.

    known: the batches in the ledger, read before the lake: what is made may then be said to be older than it is, and be
    planned again, but never newer.
    """

    live: Settings
    shadow: Settings
    ledger: ShadowLedger
    restatement_id: str
    plan: Plan
    made: Mapping[Key, Mapping[str, Any]]
    contracts: Contracts
    known: Sequence[Batch]
    jobs: int = 2
    checking: threading.Lock = field(default_factory=threading.Lock)  # Great Expectations is one for the process

    @property
    def batches(self) -> list[Key]:
        """The batches of the plan."""
        return [(each.source, day) for each in self.plan.batches for day in each.dates]

    def done(self) -> dict[Key, Batch]:
        """The batches that are restated as they would be now."""
        return {key: batch for key, batch in self.ledger.restated().items() if batch.made_by == self.made[key]}


def do_all(work: Work) -> None:
    """All units of the plan, several at once where they don't depend on each other."""
    from ddcrm.models.threads import one_thread

    with one_thread():  # once for all threads: the limit is the process's
        restate_batches(work)
        basis = Basis(work.contracts, work.ledger.over(work.known))
        train_again(work, basis)
        restate_days(work, basis)


def restate_batches(work: Work) -> None:
    """Bring the shadow's tables up to date with the live ones, then conform what the plan lists, from landing."""
    from ddcrm.features.reads import READS
    from ddcrm.lake.layout import conformed_table
    from ddcrm.lake.shadow import mirror
    from ddcrm.warehouse.restate import record_batches

    work.ledger.planned = set(work.batches)
    done = work.done()
    for entity in sorted({*READS, *(each.entity for each in work.plan.batches)}):
        own = {(source, str(day)) for source, day in done}
        mirror(conformed_table(work.live, entity), conformed_table(work.shadow, entity), own)
    waiting = [key for key in work.batches if key not in done]
    ranges = [each for source in sorted({source for source, _ in waiting})
              for each in _ranges(work, source, [day for name, day in waiting if name == source])]  # fmt: skip
    point("restate.batches", done=len(done), waiting=len(waiting), ranges=len(ranges))
    together(work.jobs, [partial(_conform, work, contract, dates) for contract, dates in ranges])
    hold_against_those_before(work)
    for batches, reasons, _ in work.ledger.ranges():
        kept = [each for each in batches if (each.source, each.batch_date) in work.ledger.planned]
        known = {(each.source, each.batch_date) for each in kept}
        told = [each for each in reasons if (each.source, each.batch_date) in known]
        record_batches(work.ledger.warehouse, work.restatement_id, kept, told, work.ledger.run_id)


def _ranges(work: Work, source: str, days: Sequence[date]) -> list[tuple[Contract, DateRange]]:
    """The days as ranges that are conformed at once, each under one contract."""
    rows = {(each.source, each.batch_date): each.landed for each in work.ledger.all_batches()}
    most = max(LEAST_DAYS, min(DAYS_AT_ONCE, ceil(len(days) / work.jobs)))
    ranges = split(days, {day: rows.get((source, day), 0) for day in days}, most, ROWS_AT_ONCE)
    return [(contract, dates) for run in ranges for dates, contract in work.contracts.for_range(source, run)]


def split(days: Iterable[date], rows: Mapping[date, int], most_days: int, most_rows: int) -> list[DateRange]:
    """Days that follow each other as ranges of at most so many days and rows; a day alone may have more. Pure."""
    ranges: list[DateRange] = []
    held = 0
    for day in sorted(days):
        last = ranges[-1] if ranges else None
        follows = last is not None and day == last.last + timedelta(days=1)
        if last is not None and follows and len(last) < most_days and held + rows[day] <= most_rows:
            ranges[-1], held = DateRange(last.first, day), held + rows[day]
        else:
            ranges, held = [*ranges, DateRange(day, day)], rows[day]
    return ranges


def _conform(work: Work, contract: Contract, dates: DateRange) -> None:
    from ddcrm.lake.candidates import alone, make_candidate
    from ddcrm.lake.engine import Engine
    from ddcrm.pipeline.audit import audit
    from ddcrm.pipeline.ingest import accept_and_record

    point("restate.conform", source=contract.source, dates=str(dates))
    with Engine(work.shadow) as engine, alone(work.shadow, contract.source, dates):
        candidate = make_candidate(engine, contract, dates)
        with work.checking:
            verdict = audit(engine, work.ledger, candidate)
        accept_and_record(engine, work.ledger, candidate, verdict.failed)
        candidate.remove()
    point("restate.conformed", source=contract.source, dates=str(dates))


def train_again(work: Work, basis: Basis) -> None:
    """Train as of the days of the plan, in order; those that stand as they would come out now are left."""
    from ddcrm.pipeline.shadow import copy_models
    from ddcrm.pipeline.train import registry, train_on
    from ddcrm.training.fit import MODELS, models_of

    live, shadow = registry(work.live), registry(work.shadow)
    names = models_of(work.shadow.segments)
    planned = [each.as_of for each in work.plan.trainings]
    copy_models(live, shadow, MODELS, set(planned))
    for place, as_of in enumerate(planned):
        made_by = training_made_by(work.shadow, basis, as_of)
        known = [shadow.pointers(name).get(as_of) for name in names]
        if all(pointer and pointer["made_by"] == training_now(made_by, basis, as_of, pointer["made_by"])
               for pointer in known):  # fmt: skip
            continue
        for name in MODELS:  # what follows this training is not whole before it
            for later in planned[place:]:
                shadow.set_pointer(name, later, None)
        point("restate.train", as_of=str(as_of))
        train_on(work.shadow, as_of, names, basis)


def restate_days(work: Work, basis: Basis) -> None:
    """Score the plan's days and stage them beside the published ones."""
    from ddcrm.warehouse.restate import staged_days

    staged = staged_days(work.ledger.warehouse, work.restatement_id)
    days = [each.as_of for each in work.plan.days]
    together(work.jobs, [partial(_score_and_stage, work, basis, as_of, staged.get(as_of)) for as_of in days])


def _score_and_stage(work: Work, basis: Basis, as_of: date, staged: str | None) -> None:
    from ddcrm.pipeline.score import score_on
    from ddcrm.pipeline.staged import reading_tables
    from ddcrm.warehouse.restate import stage

    day, _ = score_on(work.shadow, as_of, basis)
    facts = day.manifest
    if staged == facts["fingerprint"]:
        return
    with reading_tables(work.shadow, as_of) as (_, tables):
        stage(
            work.ledger.warehouse,
            work.restatement_id,
            as_of,
            tables,
            audit=partial(_audit, work, as_of),
            prepare=partial(_prepare, work, list(tables)),
            models=facts["models"],
            fingerprint=facts["fingerprint"],
            made_by=facts["made_by"],
            run_id=work.ledger.run_id,
        )


def _prepare(work: Work, tables: Sequence[str]) -> None:
    from ddcrm.pipeline.suites import published_suites

    with work.checking:
        published_suites(work.live, tables)


def _audit(work: Work, as_of: date, schema: str, table: str, name: str) -> list[Validation]:
    from ddcrm.pipeline.score import check_published

    with work.checking:
        validations, verdict = check_published(work.live, work.ledger.warehouse, schema, table, name)
    if error := verdict.error(table=name, as_of=str(as_of)):
        raise error
    return validations


def together(jobs: int, units: Sequence[Callable[[], None]]) -> None:
    """Run the units, `jobs` at once; after one has failed no other begins, and its error is raised."""
    with ThreadPoolExecutor(max(1, jobs), "restate") as pool:
        running = [pool.submit(unit) for unit in units]
        try:
            for each in running:
                each.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
