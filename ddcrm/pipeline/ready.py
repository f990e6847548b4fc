"""Is a day ready to be scored? It is when every source of orders has had its batch of that day accepted."""

from __future__ import annotations

from datetime import date

from ddcrm.errors import MissingDataError
from ddcrm.settings import Settings


def check_ready(settings: Settings, as_of: date) -> None:
    """Raise MissingDataError for the sources of orders whose batch of `as_of` the ledger does not know.

    In Airflow the asset that `crm_ingest` emits says the same; this is for a person who scores a day by hand.
    """
    from ddcrm.contracts import load_contracts
    from ddcrm.pipeline.record import opened

    contracts = load_contracts(settings.contracts_dir)
    feeding = [source for source in contracts.feeding("orders") if settings.source(source).enabled]
    due = [source for source in feeding if contracts.effective(source, as_of)]
    with opened(settings) as ledger:
        absent = [source for source in due if not ledger.batches(source, as_of, as_of)]
    if absent:
        raise MissingDataError(
            "the day has not been ingested", source=", ".join(absent), partition=str(as_of),
            hint=f"Run `ddcrm ingest {' '.join(absent)} --date {as_of}` first, or `ddcrm run`.",
        )  # fmt: skip
