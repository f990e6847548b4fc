"""Is a day ready to be scored? When every source of what its scores read has had its batch of that day accepted."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from ddcrm.errors import MissingDataError
from ddcrm.settings import Settings

if TYPE_CHECKING:
    from ddcrm.pipeline.score import ScoreResult


def score_when_ready(settings: Settings, as_of: date) -> ScoreResult:
    """`ddcrm.pipeline.score.score` of a day that was ingested; what DAGs and the command line call."""
    from ddcrm.pipeline.score import score

    check_ready(settings, as_of)
    return score(settings, as_of)


def check_ready(settings: Settings, as_of: date) -> None:
    """Raise MissingDataError for the sources whose batch of `as_of` the ledger does not know.

    Those of orders, and of the entities that a regression reads, where one speaks.
    """
    from ddcrm.contracts import load_contracts
    from ddcrm.pipeline.day import reads_of
    from ddcrm.pipeline.record import opened
    from ddcrm.pipeline.train import registry

    contracts = load_contracts(settings.contracts_dir)
    entities = ("orders", *reads_of(registry(settings), as_of))
    sources = [source for entity in entities for source in contracts.feeding(entity)]
    feeding = [source for source in sources if settings.source(source).enabled]
    due = [source for source in feeding if contracts.effective(source, as_of)]
    with opened(settings) as ledger:
        absent = [source for source in due if not ledger.batches(source, as_of, as_of)]
    if absent:
        raise MissingDataError(
            "the day has not been ingested", source=", ".join(absent), partition=str(as_of),
            hint=f"Run `ddcrm ingest {' '.join(absent)} --date {as_of}` first, or `ddcrm run`.",
        )  # fmt: skip
