"""What the scores of a day are computed from, and the segments of a day as the next day's migration needs them.

`Inputs.key` stands for all of it: the files of the lake, the contracts that read them, the models, the settings and the
code. So what was computed for a key need not be computed again, and what has another key must be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddcrm.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

    from ddcrm.lake.engine import Engine
    from ddcrm.pipeline.staged import StagedDay
    from ddcrm.scoring.actions import Actions
    from ddcrm.scoring.models import ScoringModel, ScoringModels
    from ddcrm.scoring.schemes.base import Segmentation
    from ddcrm.scoring.tables import DaySegments
    from ddcrm.training.registry import ModelRef, Registry


DECIDED = ("value", "kmeans", "density")
"""The models that a day takes the newest of; `value` names the versions of those that it needs."""


@dataclass(frozen=True)
class Inputs:
    """The models of an as_of (a reference, or why there is none), and the key of all inputs."""

    as_of: date
    models: dict[str, ModelRef | str]
    key: str
    reads: tuple[str, ...] = ()  # the entities beyond SCORED_ON that a regression which speaks needs

    @property
    def versions(self) -> dict[str, str]:
        """The versions of the models that there are."""
        return {name: ref.version for name, ref in self.models.items() if not isinstance(ref, str)}

    def load(self, registry: Registry) -> ScoringModels:
        """The models, loaded."""
        from ddcrm.scoring.models import ScoringModels

        found = {name: _loaded(registry, name, ref) for name, ref in self.models.items()}
        own = {name: found.pop(name) for name in DECIDED}
        return ScoringModels(**own, parts=found)


def day_inputs(settings: Settings, registry: Registry, as_of: date) -> Inputs:
    """What the segments and scores of `as_of` are computed from."""
    from ddcrm.features.reads import SCORED_ON
    from ddcrm.training.fingerprint import digest_of, score_fingerprint

    models: dict[str, ModelRef | str] = {name: _newest(registry, name, as_of) for name in DECIDED}
    models |= _parts(registry, models["value"])
    reads = _reads(models)
    known = {
        "as_of": as_of,
        "data": [_known(settings, entity, as_of) for entity in (*SCORED_ON, *reads)],
        "models": {name: ref if isinstance(ref, str) else ref.version for name, ref in models.items()},
        "settings": scoring_settings(settings),
        "code": score_fingerprint(),
    }
    return Inputs(as_of, models, digest_of(known)[:16], reads)


def scoring_settings(settings: Settings) -> dict[str, Any]:
    """The settings that scores depend on."""
    groups = ("purchase", "segments", "value")
    return {name: getattr(settings, name).model_dump(mode="json") for name in groups}


def fingerprint(
    settings: Settings,
    days: Sequence[tuple[Inputs, str | None]],
    actions: Actions,
    history: Mapping[str, pa.Table],
) -> str:
    """A digest of everything that a published day was computed from, by content: the same in every lake.

    days: the day and the one before it, each with the digest of its features. history: the tables about the whole
    business, which stand for the lines that they are sums of.
    """
    from ddcrm.scoring.history import HISTORY_KEYS
    from ddcrm.training.fingerprint import digest_of, score_fingerprint
    from ddcrm.warehouse.digest import digest_table

    data = [(str(inputs.as_of), digest, inputs.versions) for inputs, digest in days]
    sums = {name: digest_table(table, HISTORY_KEYS[name]) for name, table in history.items()}
    return digest_of([data, sums, scoring_settings(settings), actions.texts, score_fingerprint()])


def segments_of(settings: Settings, registry: Registry, inputs: Inputs) -> tuple[DaySegments, str | None]:
    """The segments of a day and the digest of its features (None: nobody was a customer yet).

    Read from the scored day on disk if it was computed from the same inputs, else computed.
    """
    from ddcrm.lake.engine import Engine
    from ddcrm.pipeline.staged import reading_day

    with reading_day(settings, inputs.as_of) as day:
        if day is not None and day.manifest["segments_key"] == inputs.key:
            return _read_segments(day), day.manifest["features_digest"]
    with Engine(settings) as engine:
        return _compute_segments(engine, registry, inputs)


def _compute_segments(engine: Engine, registry: Registry, inputs: Inputs) -> tuple[DaySegments, str | None]:
    from ddcrm.scoring.schemes import read_features
    from ddcrm.scoring.schemes.base import Day
    from ddcrm.scoring.scores import scored
    from ddcrm.scoring.tables import DaySegments
    from ddcrm.warehouse.digest import digest_table

    models = inputs.load(registry)
    features = read_features(engine, inputs.as_of, models)
    if features is None or not features.num_rows:
        return DaySegments.nobody(), None
    scores = scored(features, models, engine.settings.value.at(inputs.as_of))
    found = DaySegments.of(Day(scores, models, engine.settings.segments)).alone()
    return found, digest_table(features, ["customer_id"])


def _read_segments(day: StagedDay) -> DaySegments:
    import pyarrow as pa

    from ddcrm.scoring.tables import DaySegments

    columns = ["scheme", "segment"]
    table = day.read("customer_segments", columns=columns, read_dictionary=columns).combine_chunks()
    n = int(day.manifest["customers"])
    parts = [table.slice(start, n) for start in range(0, table.num_rows, n)]  # in the order of scheme and customer
    customers = day.read("customer_scores", columns=["customer_id"])["customer_id"]  # once each, in the same order
    return DaySegments(pa.concat_arrays(customers.chunks), [_segmentation(part) for part in parts])


def _segmentation(part: pa.Table) -> Segmentation:
    import pyarrow as pa

    from ddcrm.scoring.schemes.base import Segmentation

    segment = pa.concat_arrays(part["segment"].chunks)
    return Segmentation(part["scheme"][0].as_py(), tuple(segment.dictionary.to_pylist()), segment.indices.to_numpy())


def _known(settings: Settings, entity: str, as_of: date) -> Any:
    """The files that the as-of view reads, by names that are never used twice, and the contracts that say how."""
    from ddcrm.contracts import load_contracts
    from ddcrm.lake.layout import conformed_table, until

    contracts = load_contracts(settings.contracts_dir)
    versions = [version for source in contracts.feeding(entity) for version in contracts.versions(source)]
    files = conformed_table(settings, entity).files(until("batch_date", as_of))
    return {
        "contracts": sorted((contract.source, contract.version, contract.fingerprint) for contract in versions),
        "files": sorted(Path(file).name for file in files),
    }


def _newest(registry: Registry, name: str, as_of: date) -> ModelRef | str:
    from ddcrm.errors import ModelNotFoundError

    try:
        return registry.newest(name, as_of)
    except ModelNotFoundError as error:
        return str(error.reason)


def _parts(registry: Registry, value: ModelRef | str) -> dict[str, ModelRef]:
    """The models that the champion speaks through, by the versions that its card names."""
    if isinstance(value, str):
        return {}
    versions: dict[str, str] = value.card["parameters"]["versions"]
    return {name: registry.version(name, version) for name, version in versions.items()}


def reads_of(registry: Registry, as_of: date) -> tuple[str, ...]:
    """The entities beyond SCORED_ON that scoring a day reads, by the models that stand for it."""
    return _reads(_parts(registry, _newest(registry, "value", as_of)))


def _reads(models: Mapping[str, ModelRef | str]) -> tuple[str, ...]:
    """The entities that the features of a regression which speaks are made of, by its card."""
    from ddcrm.features.reads import read_besides
    from ddcrm.scoring.forecast import REGRESSION

    ref = models.get(REGRESSION)
    return () if ref is None or isinstance(ref, str) else read_besides(ref.card["parameters"]["features"])


def _loaded(registry: Registry, name: str, ref: ModelRef | str) -> ScoringModel:
    from ddcrm.scoring.models import ScoringModel

    if isinstance(ref, str):
        return ScoringModel(name, missing=ref)
    return ScoringModel(name, registry.load(ref), ref.version)
