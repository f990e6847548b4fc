"""What trainings and published days were made by, in parts that a plan can tell apart.

    training: {"data": digest, "settings": digest, "code": digest}
    day:      {"data": digest, "models": {name: version}, "settings": digest, "actions": digest, "code": digest}

`data` stands for what the features of a day could read: the batches that it saw, by the content of the columns that
features can read. A day's data and models are also those of the day before, which its migration is counted from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from ddcrm.features.reads import READS
from ddcrm.settings import Settings

if TYPE_CHECKING:
    from ddcrm.contracts.choose import Contracts
    from ddcrm.scoring.actions import Actions
    from ddcrm.warehouse.ledger import Ledger
    from ddcrm.warehouse.records import Batch

MadeBy = Mapping[str, Any]
TRAINED_ON = ("orders",)  # the entities that models learn from


class Basis:
    """What can be known of a day: its digests are computed from contracts and the ledger's batches, and kept."""

    def __init__(self, contracts: Contracts, batches: Iterable[Batch]) -> None:
        self._contracts = contracts
        self._batches: dict[str, list[Batch]] = {}
        for batch in sorted(batches, key=lambda batch: batch.batch_date):
            self._batches.setdefault(batch.source, []).append(batch)
        self._known: dict[tuple[date, tuple[str, ...]], str] = {}

    @classmethod
    def read(cls, settings: Settings, ledger: Ledger) -> Basis:
        """As things are now. Read it before the lake: it may then be older than what is computed, and never newer."""
        from ddcrm.contracts import load_contracts

        contracts = load_contracts(settings.contracts_dir)
        return cls(contracts, ledger.all_batches())

    def data(self, as_of: date, entities: Iterable[str] = READS) -> str:
        """Digest of what could be read of these entities as of a day."""
        from ddcrm.training.fingerprint import digest_of

        key = as_of, tuple(entities)
        if key not in self._known:
            seen = [(each.source, each.batch_date, each.used_digest) for each in self.seen(as_of, entities)]
            self._known[key] = digest_of(seen)[:16]
        return self._known[key]

    def seen(self, as_of: date, entities: Iterable[str] = READS) -> list[Batch]:
        """The batches that the as-of views of these entities read."""
        found: list[Batch] = []
        for source in sorted({source for entity in entities for source in self._contracts.feeding(entity)}):
            contract = self._contracts.effective(source, as_of)
            known = [batch for batch in self._batches.get(source, ()) if batch.batch_date <= as_of]
            if contract is not None:
                found += known[-1:] if contract.delivery == "snapshot" else known
        return found


def training_made_by(settings: Settings, basis: Basis, as_of: date) -> dict[str, Any]:
    """What makes a training besides the one before it."""
    from ddcrm.pipeline.train import settings_of
    from ddcrm.training.fingerprint import digest_of, model_fingerprint
    from ddcrm.training.fit import models_of

    own = {name: settings_of(settings, name) for name in models_of(settings.segments)}
    data = basis.data(as_of, TRAINED_ON)
    return {"data": data, "settings": digest_of(own)[:16], "code": model_fingerprint()[:16]}


def day_made_by(
    settings: Settings, data: str, models: Mapping[str, Mapping[str, str]], actions: Actions
) -> dict[str, Any]:
    """What makes a published day; `data` and `models` are those of the day and of the one before it."""
    from ddcrm.pipeline.day import scoring_settings
    from ddcrm.training.fingerprint import digest_of, score_fingerprint

    own = {"settings": scoring_settings(settings), "actions": actions.texts, "code": score_fingerprint()}
    return {"data": data, "models": dict(models), **{name: digest_of(value)[:16] for name, value in own.items()}}


def data_of_day(basis: Basis, as_of: date) -> str:
    """The data of a day and of the one before it."""
    return f"{basis.data(as_of)}-{basis.data(as_of - timedelta(days=1))}"


def models_of_day(today: Mapping[str, str], before: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The versions of a day's models and of those of the day before: of those that a day takes the newest of."""
    from ddcrm.pipeline.day import DECIDED

    days = {"today": today, "before": before}
    return {day: {name: found[name] for name in DECIDED if name in found} for day, found in days.items()}
