"""Score and publish: a day's tables from features and models, first beside the warehouse, then swapped into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from ddcrm import progress
from ddcrm.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

    from ddcrm.pipeline.basis import Basis, MadeBy
    from ddcrm.pipeline.day import Inputs
    from ddcrm.pipeline.staged import StagedDay
    from ddcrm.quality.gate import Verdict
    from ddcrm.scoring.actions import Actions
    from ddcrm.scoring.history import History
    from ddcrm.scoring.models import ScoringModels
    from ddcrm.training.registry import Registry
    from ddcrm.warehouse.connect import Warehouse
    from ddcrm.warehouse.ledger import Ledger
    from ddcrm.warehouse.records import Publication, Validation


@dataclass(frozen=True)
class ScoreResult:
    """What was staged; `withheld` says why value scores are NULL, `reused` that the same had been staged before."""

    as_of: date
    customers: int
    rows: Mapping[str, int]
    models: Mapping[str, str]
    fingerprint: str
    withheld: str | None = None
    reused: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Counts and references, ready for JSON."""
        facts = {"step": "score", "as_of": str(self.as_of), "customers": self.customers, "rows": dict(self.rows)}
        return {**facts, "models": dict(self.models), "fingerprint": self.fingerprint, "withheld": self.withheld,
                "reused": self.reused}  # fmt: skip


@dataclass(frozen=True)
class PublishResult:
    """What is published: rows and digest of each table; `warnings`: of the scoring, and what the audit let pass."""

    as_of: date
    rows: Mapping[str, int]
    digests: Mapping[str, str]
    models: Mapping[str, str]
    fingerprint: str
    warnings: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """Counts and references, ready for JSON."""
        facts = {"step": "publish", "as_of": str(self.as_of), "rows": dict(self.rows), "digests": dict(self.digests)}
        return {**facts, "models": dict(self.models), "fingerprint": self.fingerprint, "warnings": list(self.warnings)}


def score(settings: Settings, as_of: date) -> ScoreResult:
    """Compute the tables of a day and stage them: a function of the data as of that day and the models up to it.

    What is staged already for the same inputs is left as it is. Raises MissingDataError where there are no orders on or
    before `as_of`, or nobody has bought anything.
    """
    from ddcrm.pipeline.basis import Basis
    from ddcrm.pipeline.record import recorded

    with recorded(settings, "score", as_of=as_of) as ledger:
        staged, reused = score_on(settings, as_of, Basis.read(settings, ledger))
    rows = {name: table["rows"] for name, table in staged.manifest["tables"].items()}
    facts = {name: staged.manifest[name] for name in ("customers", "models", "fingerprint", "withheld")}
    return ScoreResult(as_of, rows=rows, reused=reused, **facts)


def score_on(settings: Settings, as_of: date, basis: Basis) -> tuple[StagedDay, bool]:
    """Score and stage a day, and leave no record in the ledger; says also whether it was staged before."""
    from ddcrm.pipeline.basis import data_of_day, day_made_by, models_of_day
    from ddcrm.pipeline.day import day_inputs
    from ddcrm.pipeline.staged import find_staged
    from ddcrm.pipeline.train import registry
    from ddcrm.scoring.actions import read_actions
    from ddcrm.training.fingerprint import digest_of

    progress.point("score.begin", as_of=str(as_of))
    models, actions = registry(settings), read_actions(settings.project_dir)
    today, before = (day_inputs(settings, models, day) for day in (as_of, as_of - timedelta(days=1)))
    versions = models_of_day(today.versions, before.versions)
    reads = {"today": today.reads, "before": before.reads}
    made_by = day_made_by(settings, data_of_day(basis, as_of, reads), versions, actions, reads)
    key = digest_of([today.key, before.key, actions.texts, made_by])[:16]
    known = find_staged(settings, as_of, key)
    staged = known or _score(settings, models, today, before, actions, key, made_by)
    progress.point("score.end", as_of=str(as_of), customers=staged.manifest["customers"])
    return staged, known is not None


def _score(
    settings: Settings, registry: Registry, today: Inputs, before: Inputs, actions: Actions, key: str, made_by: MadeBy
) -> StagedDay:
    from ddcrm.pipeline.staged import stage_day

    tables, facts = _compute(settings, registry, today, before, actions)
    facts["made_by"] = made_by
    progress.point("score.computed", as_of=str(today.as_of), customers=facts["customers"])
    return stage_day(settings, today.as_of, key, tables, facts)


def _compute(
    settings: Settings, registry: Registry, today: Inputs, before: Inputs, actions: Actions
) -> tuple[dict[str, pa.Table | pa.RecordBatchReader], dict[str, Any]]:
    """The tables, and what their manifest says of them.

    Yesterday comes first and the engine ends before anything is scored: of many customers one thing at a time is held.
    """
    from ddcrm.pipeline.day import fingerprint, segments_of
    from ddcrm.scoring.schemes.base import Day
    from ddcrm.scoring.scores import scored
    from ddcrm.scoring.tables import published_tables
    from ddcrm.warehouse.digest import digest_table

    models = today.load(registry)
    yesterday, digest_before = segments_of(settings, registry, before)
    features, history = _read(settings, today.as_of, models)
    digest = digest_table(features, ["customer_id"])
    progress.point("score.features", customers=features.num_rows)
    scores = scored(features, models, settings.value.at(today.as_of))
    days = [(today, digest), (before, digest_before)]
    facts = {
        "customers": features.num_rows,
        "models": today.versions,
        "withheld": models.withheld,
        "warnings": history.warnings,
        "features_digest": digest,
        "segments_key": today.key,
        "fingerprint": fingerprint(settings, days, actions, history.tables),
    }
    day = Day(scores, models, settings.segments)
    return {**published_tables(today.as_of, day, yesterday, actions), **history.tables}, facts


def _read(settings: Settings, as_of: date, models: ScoringModels) -> tuple[pa.Table, History]:
    """What is read of the lake: the features of the customers, and the tables about the whole business."""
    from ddcrm.features.table import checked_features
    from ddcrm.lake.engine import Engine
    from ddcrm.scoring.history import read_history
    from ddcrm.scoring.schemes import read_features

    with Engine(settings) as engine:
        features = checked_features(read_features(engine, as_of, models), as_of)
        return features, read_history(engine, as_of)


def publish(settings: Settings, as_of: date) -> PublishResult:
    """Publish the staged tables of a day: load, audit, swap in at once; what was there stays if anything fails.

    Raises MissingDataError where the day was not scored, BatchRejectedError where the audit fails, PublishError.
    """
    from ddcrm.pipeline.record import recorded
    from ddcrm.pipeline.staged import reading_tables
    from ddcrm.pipeline.suites import published_suites
    from ddcrm.warehouse.publish import publish_day

    with recorded(settings, "publish", as_of=as_of) as ledger, reading_tables(settings, as_of) as (staged, tables):
        models, fingerprint = staged.manifest["models"], staged.manifest["fingerprint"]
        warnings = list(staged.manifest.get("warnings", ()))

        def audit(schema: str, table: str, name: str) -> None:
            warnings.extend(_audit(settings, ledger, as_of, schema, table, name))

        prepare = partial(published_suites, settings, tables)  # seconds of imports, while the first table loads
        published = publish_day(ledger.warehouse, as_of, tables, audit=audit, prepare=prepare, run_id=ledger.run_id,
                                models=models, fingerprint=fingerprint, made_by=staged.manifest["made_by"])  # fmt: skip
    return _published(as_of, published, models, fingerprint, warnings)


def _published(
    as_of: date, published: list[Publication], models: Mapping[str, str], fingerprint: str, warnings: list[str]
) -> PublishResult:
    rows = {publication.table: publication.rows for publication in published}
    digests = {publication.table: publication.digest for publication in published}
    return PublishResult(as_of, rows, digests, models, fingerprint, tuple(dict.fromkeys(warnings)))


def _audit(settings: Settings, ledger: Ledger, as_of: date, schema: str, table: str, name: str) -> list[str]:
    """Check a loaded table by its suite, record what the checks say, and raise if it must not be published."""
    validations, verdict = check_published(settings, ledger.warehouse, schema, table, name)
    ledger.record_validations(validations, table=name, as_of=as_of)
    if error := verdict.error(table=name, as_of=str(as_of)):
        raise error
    return [f"{name}: {result.message}" for result in verdict.warnings]


def check_published(
    settings: Settings, warehouse: Warehouse, schema: str, table: str, name: str
) -> tuple[list[Validation], Verdict]:
    """Check a loaded table by the suite of the published table `name`: what the checks say, and what it means."""
    from ddcrm.pipeline.suites import published_suites
    from ddcrm.quality.check import check_table
    from ddcrm.quality.gate import decide
    from ddcrm.warehouse.records import Validation

    results = check_table(published_suites(settings, [name])[name], warehouse.url, schema, table)
    facts = [result.as_dict() for result in results]
    return [Validation(column_name=each.pop("column"), **each) for each in facts], decide(results, 0, 0.0)
