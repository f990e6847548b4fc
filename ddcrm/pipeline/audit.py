"""The audit of a candidate: contract's tolerance, suite, freshness, volume; recorded, then decided."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ddcrm import progress
from ddcrm.contracts.arrived import shown_names
from ddcrm.contracts.model import Contract
from ddcrm.dates import DateRange
from ddcrm.errors import BatchRejectedError
from ddcrm.lake.accept import AuditFrame, audit_frames, failed_rows
from ddcrm.lake.candidates import Candidate
from ddcrm.lake.engine import Engine, read_parquet

if TYPE_CHECKING:
    import pyarrow as pa

    from ddcrm.quality.gate import Verdict
    from ddcrm.quality.result import CheckResult
    from ddcrm.quality.suites import Suite
    from ddcrm.warehouse.ledger import Ledger
    from ddcrm.warehouse.records import Validation


@dataclass
class Audit:
    """What the audit found: the rows to set aside (None: none), and what people should look at."""

    failed: pa.Table | None = None
    warnings: tuple[str, ...] = ()
    results: list[CheckResult] = field(default_factory=list)


def audit(engine: Engine, ledger: Ledger, candidate: Candidate, changes: Sequence[CheckResult] = ()) -> Audit:
    """Judge a candidate; raises BatchRejectedError (or SuiteError, where a check itself is wrong).

    What the checks said is in the ledger either way, together with `changes`, what the detection of changes found.
    """
    suite = _suite(engine, candidate)
    found = Audit(results=list(changes))
    progress.point("audit.begin", source=candidate.contract.source, dates=str(candidate.dates))
    try:
        tables = [_judge(engine, candidate, suite, audited, found) for audited in audit_frames(engine, candidate)]
        found.failed = _concatenated([table for table in tables if table is not None])
        timely = _timeliness(ledger, candidate)
        found.results += timely
        _reject_timeliness(candidate, timely)
    finally:
        _record(ledger, candidate, found)
    found.warnings = tuple(_warnings(candidate, found.results))
    progress.point("audit.end", source=candidate.contract.source, dates=str(candidate.dates), checks=len(found.results))
    return found


def _suite(engine: Engine, candidate: Candidate) -> Suite | None:
    if candidate.contract.suite is None:
        return None
    from ddcrm.quality.suites import load_suite

    return load_suite(engine.settings.expectations_dir, candidate.contract.suite)


def _judge(
    engine: Engine, candidate: Candidate, suite: Suite | None, audited: AuditFrame, found: Audit
) -> pa.Table | None:
    """One portion of days; what it may still lose is what the contract tolerates less what conforming set aside."""
    allowed = tolerated_rows(candidate, audited.dates)
    set_aside = sum(candidate.counts[day].quarantined.total() for day in audited.dates if day in candidate.counts)
    if set_aside > allowed:
        raise _too_many(engine, candidate, audited.dates, set_aside)
    if suite is None or audited.frame.empty:
        return None
    from ddcrm.quality.check import check_frame
    from ddcrm.quality.gate import decide

    contract = candidate.contract
    results = check_frame(
        suite, audited.frame, personal=[column.name for column in contract.columns if column.personal]
    )
    found.results += [_dated(result, audited, candidate) for result in results]
    already = math.ceil(set_aside * audited.share)
    verdict = decide(results, len(audited.frame), contract.max_quarantined_share, already_quarantined=already)
    error = verdict.error(source=contract.source, partition=str(audited.dates), **_first_row(verdict, audited))
    if error:
        raise error
    return failed_rows(audited, verdict.quarantined.as_dict()) if len(verdict.quarantined) else None


def _dated(result: CheckResult, audited: AuditFrame, candidate: Candidate) -> CheckResult:
    """Of a range that is judged in portions, each result says which days it is about."""
    if audited.dates == candidate.dates:
        return result
    return replace(result, message=f"{audited.dates}: {result.message}")


def _first_row(verdict: Verdict, audited: AuditFrame) -> dict[str, Any]:
    """Where the first row stood that fails the first check that rejects the batch."""
    if verdict.errors or not verdict.rejected_by or not len(verdict.rejected_by[0].row_ids):
        return {}
    row = audited.frame.iloc[int(verdict.rejected_by[0].row_ids[0])]
    return {"file": row["_source"], "row": int(row["_line"])}


def tolerated_rows(candidate: Candidate, dates: DateRange) -> int:
    """How many rows of these days may be quarantined: a share of those that were not excluded."""
    days = [candidate.counts[day] for day in dates if day in candidate.counts]
    judged = sum(day.landed - day.excluded.total() for day in days)
    return int(candidate.contract.max_quarantined_share * judged + 1e-9)


def _too_many(engine: Engine, candidate: Candidate, dates: DateRange, rows: int) -> BatchRejectedError:
    """The error names the most frequent reason and the first row that has it."""
    contract = candidate.contract
    files = [str(candidate.folder / "quarantine" / file.path) for file in candidate.quarantine
             if date.fromisoformat(file.partition["_batch_date"]) in dates]  # fmt: skip
    code, number, file, line, reasons = engine.con.execute(
        "SELECT _code, count(*) AS n, arg_min(_source, (_source, _line)), arg_min(_line, (_source, _line)), "
        "arg_min(_reasons, (_source, _line)) "
        f"FROM {read_parquet(files)} GROUP BY 1 ORDER BY n DESC, 1 LIMIT 1"
    ).fetchone()  # type: ignore[misc]
    judged = sum(candidate.counts[day].landed for day in dates if day in candidate.counts)
    return BatchRejectedError(
        f"{rows} of {judged} rows can't be accepted, more than is tolerated; most often ({number}): {reasons}",
        source=contract.source, partition=str(dates), file=file, row=line, column=code.partition(":")[0],
        tolerated_share=contract.max_quarantined_share,
        hint="The batch has landed and nothing else changed. Mend the source or, if the data is like this from now "
             f"on, let `ddcrm contract propose {contract.source} --batch {candidate.dates.last}` write the contract's "
             "next version; then run it again.",
    )  # fmt: skip


def _concatenated(tables: Sequence[pa.Table]) -> pa.Table | None:
    import pyarrow as pa

    return pa.concat_tables(tables) if tables else None


def _timeliness(ledger: Ledger, candidate: Candidate) -> list[CheckResult]:
    """Freshness and volume of each day; of a range, what failed and the last day."""
    from ddcrm.quality.freshness import freshness
    from ddcrm.quality.volume import volume

    contract, results = candidate.contract, []
    known = {day: counts.landed for day, counts in candidate.counts.items()}
    for day, counts in candidate.counts.items():
        newest = candidate.newest_event.get(day)
        found = [freshness(contract, day, datetime.fromisoformat(newest) if newest else None)]
        if contract.volume is not None:
            found.append(volume(contract, day, counts.landed, _history(ledger, contract, known, day)))
        kept = (result for result in found if result is not None)
        results += [result for result in kept if result.status != "passed" or day == candidate.dates.last]
    return results


def _history(ledger: Ledger, contract: Contract, known: Mapping[date, int], day: date) -> Mapping[date, int]:
    """Rows of the weekday before `day`: of this range, and from the ledger where it does not reach back far enough."""
    weeks = contract.volume.weeks if contract.volume else 0
    if all(day - timedelta(weeks=week) in known for week in range(1, weeks + 1)):
        return known
    return {**ledger.row_counts(contract.source, day, weeks), **known}


def _reject_timeliness(candidate: Candidate, results: Sequence[CheckResult]) -> None:
    from ddcrm.quality.gate import decide

    error = decide(results, 0, 0.0).error(source=candidate.contract.source, partition=str(candidate.dates))
    if error:
        raise error


def _record(ledger: Ledger, candidate: Candidate, found: Audit) -> None:
    ledger.record_validations([validation(result) for result in found.results], source=candidate.contract.source,
                              dates=candidate.dates)  # fmt: skip


def validation(result: CheckResult) -> Validation:
    """A check as the ledger keeps it."""
    from ddcrm.warehouse.records import Validation

    values = result.as_dict()
    return Validation(column_name=values.pop("column"), **values)


def _warnings(candidate: Candidate, results: Sequence[CheckResult]) -> list[str]:
    said = [result.message for result in results if result.status == "failed" and result.severity == "warning"]
    added = sorted({name for names in candidate.added_columns.values() for name in shown_names(names)})
    if added:
        first = min(candidate.added_columns)
        said.append(f"columns that the contract does not know arrived from {first} on: {', '.join(added)}")
    return list(dict.fromkeys(said))
