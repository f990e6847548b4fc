"""What trainings and published days were made by, in parts that a plan can tell apart.

    training: {"data": digest, "settings": digest, "code": digest, "learned": {"days", "speaks", "digest"}}
    day:      {"data": digest, "reads": {"today", "before"}, "models": {name: version}, "settings": digest,
               "actions": digest, "code": digest}

`data` stands for what the features of a day could read: the batches that it saw, by the content of the columns that
features can read. A day's data and models are also those of the day before, which its migration is counted from.
`reads` names the entities that its models made it read beyond those of every day.

`learned` is about what regressions learn from besides orders. Where one of them speaks, the training depends on it;
where none does, they were only compared, and a change of it is no reason to train again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from ddcrm.features.families import offered
from ddcrm.features.reads import SCORED_ON, read_besides
from ddcrm.settings import Settings

if TYPE_CHECKING:
    from ddcrm.contracts.choose import Contracts
    from ddcrm.scoring.actions import Actions
    from ddcrm.warehouse.ledger import Ledger
    from ddcrm.warehouse.records import Batch

MadeBy = Mapping[str, Any]
Reads = Mapping[str, Sequence[str]]  # of the day (today) and of the one before it: entities beyond SCORED_ON
TRAINED_ON = ("orders",)  # the entities that all models learn from


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
        """As things are now. Read it before the lake: it may then be older than what is computed, and never newer.

        For a swap tells the ledger before the lake, it is not read amid one.
        """
        from ddcrm.contracts import load_contracts
        from ddcrm.pipeline.restate_finish import settled

        contracts = load_contracts(settings.contracts_dir)
        with settled(settings, ledger.warehouse, shared=True):
            return cls(contracts, ledger.all_batches())

    def data(self, as_of: date, entities: Iterable[str] = SCORED_ON) -> str:
        """Digest of what could be read of these entities as of a day."""
        from ddcrm.training.fingerprint import digest_of

        key = as_of, tuple(entities)
        if key not in self._known:
            seen = [(each.source, each.batch_date, each.used_digest) for each in self.seen(as_of, entities)]
            self._known[key] = digest_of(seen)[:16]
        return self._known[key]

    def seen(self, as_of: date, entities: Iterable[str] = SCORED_ON) -> list[Batch]:
        """The batches that the as-of views of these entities read."""
        found: list[Batch] = []
        for source in sorted({source for entity in entities for source in self._contracts.feeding(entity)}):
            contract = self._contracts.effective(source, as_of)
            known = [batch for batch in self._batches.get(source, ()) if batch.batch_date <= as_of]
            if contract is not None:
                found += known[-1:] if contract.delivery == "snapshot" else known
        return found

    def learned(self, as_of: date, days: Sequence[str]) -> dict[str, Any]:
        """What regressions of a training learn from besides orders, read as of these days: what made it, by digest."""
        from ddcrm.training.fingerprint import digest_of

        names, entities = self.offered(as_of)
        data = [self.data(date.fromisoformat(day), entities) for day in days]
        return {"days": list(days), "speaks": True, "digest": digest_of([names, data])[:16]}

    def seen_learning(self, as_of: date, days: Sequence[str]) -> list[Batch]:
        """The batches behind it."""
        _, entities = self.offered(as_of)
        return once(batch for day in days for batch in self.seen(date.fromisoformat(day), entities))

    def offered(self, as_of: date) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The features that regressions of a training learn from, and the entities behind them beyond SCORED_ON."""
        names = offered(self._contracts, as_of)
        return names, read_besides(names)


def once(batches: Iterable[Batch]) -> list[Batch]:
    """Each batch once."""
    return list({(batch.source, batch.batch_date): batch for batch in batches}.values())


def training_made_by(settings: Settings, basis: Basis, as_of: date) -> dict[str, Any]:
    """What makes a training besides the one before it."""
    from ddcrm.pipeline.train import settings_of
    from ddcrm.training.fingerprint import digest_of, model_fingerprint
    from ddcrm.training.fit import models_of

    own = {name: settings_of(settings, name) for name in models_of(settings.segments)}
    data = basis.data(as_of, TRAINED_ON)
    return {"data": data, "settings": digest_of(own)[:16], "code": model_fingerprint()[:16]}


def training_of(base: MadeBy, basis: Basis, as_of: date, card: Mapping[str, Any] | None) -> dict[str, Any]:
    """What made a trained model, by its card (None: it was withheld); base: `training_made_by`."""
    from ddcrm.scoring.forecast import REGRESSION
    from ddcrm.training.regressions import learning_days

    test = card["parameters"].get("backtest") if card else None
    if card is None or test is None:
        return dict(base)
    days = learning_days(as_of, date.fromisoformat(test["cut"]), test["holdout_days"])
    speaks = REGRESSION in card["parameters"]["versions"]
    return {**base, "learned": {**basis.learned(as_of, list(map(str, days))), "speaks": speaks}}


def training_now(base: MadeBy, basis: Basis, as_of: date, before: MadeBy | None) -> dict[str, Any]:
    """What would make a model now that `before` made; base: `training_made_by` of now.

    What regressions that don't speak learned from stays as it was.
    """
    learned = (before or {}).get("learned")
    if learned is None:
        return dict(base)
    return {**base, "learned": basis.learned(as_of, learned["days"]) if learned["speaks"] else learned}


def day_made_by(
    settings: Settings, data: str, models: Mapping[str, Mapping[str, str]], actions: Actions, reads: Reads
) -> dict[str, Any]:
    """What makes a published day; `data`, `models` and `reads` are those of the day and of the one before it."""
    from ddcrm.pipeline.day import scoring_settings
    from ddcrm.training.fingerprint import digest_of, score_fingerprint

    own = {"settings": scoring_settings(settings), "actions": actions.texts, "code": score_fingerprint()}
    entities = {day: list(found) for day, found in reads.items()}
    return {
        "data": data,
        "reads": entities,
        "models": dict(models),
        **{name: digest_of(value)[:16] for name, value in own.items()},
    }


def data_of_day(basis: Basis, as_of: date, reads: Reads) -> str:
    """The data of a day and of the one before it."""
    return "-".join(basis.data(day, entities) for day, entities in _read_by(as_of, reads))


def seen_by_day(basis: Basis, as_of: date, reads: Reads) -> list[Batch]:
    """The batches that a day and the one before it read."""
    return once(batch for day, entities in _read_by(as_of, reads) for batch in basis.seen(day, entities))


def _read_by(as_of: date, reads: Reads) -> list[tuple[date, tuple[str, ...]]]:
    days = {"today": as_of, "before": as_of - timedelta(days=1)}
    return [(day, (*SCORED_ON, *reads.get(name, ()))) for name, day in days.items()]


def models_of_day(today: Mapping[str, str], before: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The versions of a day's models and of those of the day before: of those that a day takes the newest of."""
    from ddcrm.pipeline.day import DECIDED

    days = {"today": today, "before": before}
    return {day: {name: found[name] for name in DECIDED if name in found} for day, found in days.items()}
