"""`ddcrm status`: what is published, what arrived last, what failed."""

from __future__ import annotations

from ddcrm.cli.backtest import sentence
from ddcrm.cli.output import Output


def show(out: Output) -> None:
    """Print the ledger's summary."""
    from ddcrm.pipeline.record import opened

    with opened(out.settings) as ledger:
        status = ledger.status()
        out.document |= status.as_dict()
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
    for run in status.running:
        out.say(f"running    {run.step} {run.source or ''} {_day(run)} since {run.started_at}")
    for run in status.failed:
        out.say(f"failed     {run.step} {run.source or ''} {_day(run)}: {run.error_message}")


def _day(run: object) -> str:
    first, last, as_of = (getattr(run, name) for name in ("partition_first", "partition_last", "as_of"))
    return str(as_of or (first if first == last else f"{first}..{last}"))
