"""`ddcrm status`: what is published, what arrived last, what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddcrm.cli.output import Output
from ddcrm.training.said import sentence

if TYPE_CHECKING:
    from datetime import date

    from ddcrm.warehouse.ledger import Ledger
    from ddcrm.warehouse.records import Run


def show(out: Output) -> None:
    """Print the ledger's summary."""
    from ddcrm.pipeline.record import opened

    with opened(out.settings) as ledger:
        status = ledger.status()
        out.document |= status.as_dict()
        waits = _waiting(out, ledger)
        out.say(f"warehouse  {ledger.warehouse.display_url}")
    out.say(f"published  {status.current_day or 'nothing yet'}")
    if status.publications:
        out.table(
            [(item.table, item.rows, item.digest[:16]) for item in status.publications], ("table", "rows", "digest")
        )
    if status.batches:
        out.say("last batch of each source")
        header = ("source", "day", "contract", "landed", "conformed", "quarantined", "excluded", "duplicates")
        out.table(
            [
                (
                    b.source,
                    b.batch_date,
                    b.contract_version,
                    b.landed,
                    b.conformed,
                    b.quarantined,
                    b.excluded,
                    b.duplicates,
                )
                for b in status.batches
            ],
            header,
        )
    if status.models:
        out.say("models")
        out.table(
            [(model.name, model.version, model.trained_as_of) for model in status.models],
            ("model", "version", "trained as of"),
        )
        for found in (model.card["parameters"]["backtest"] for model in status.models if model.name == "value"):
            out.say(sentence(found))
    for day, batches in waits.items():
        out.add("waiting", {"day": str(day), "for": batches})
        out.say(f"waits      {day}, to be scored, for {batches}")
    for run in status.running:
        out.say(f"running    {_what(run)} since {run.started_at:%Y-%m-%d %H:%M:%S%z}")
    for run in status.failed:
        out.say(f"failed     {_what(run)}: {run.error_message}")


def _waiting(out: Output, ledger: Ledger) -> dict[date, str]:
    """The days that wait for earlier ones; not known where a contract is broken."""
    from ddcrm.errors import ContractError
    from ddcrm.pipeline.release import waiting

    try:
        return waiting(out.settings, ledger)
    except ContractError:
        return {}


def _what(run: Run) -> str:
    """The step, its source where it has one, its days."""
    first, last = run.partition_first, run.partition_last
    days = run.as_of or (first if first == last else f"{first}..{last}")
    return " ".join(str(part) for part in (run.step, run.source, days) if part)
