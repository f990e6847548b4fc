"""Train: fit the models on what was known at the end of a day, and keep them in the registry."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from ddcrm import progress
from ddcrm.errors import ModelError, ModelNotFoundError, SettingsError
from ddcrm.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

    from ddcrm.lake.engine import Engine
    from ddcrm.pipeline.basis import Basis, MadeBy
    from ddcrm.training.fit import Fitted
    from ddcrm.training.registry import ModelRef, Registry
    from ddcrm.warehouse.ledger import Ledger

    MadeByCard = Callable[[Mapping[str, Any] | None], MadeBy]  # what makes a model, by its card


@dataclass(frozen=True)
class TrainResult:
    """The versions that are now current for `as_of`, and the models that were withheld, each with the reason.

    backtest: what decided who speaks (see `ddcrm.training.champion`); None where `value` was not trained.
    """

    as_of: date
    customers: int
    data_digest: str
    versions: Mapping[str, str] = field(default_factory=dict)
    withheld: Mapping[str, str] = field(default_factory=dict)
    backtest: Mapping[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Counts and references, ready for JSON."""
        return {
            "step": "train",
            "as_of": str(self.as_of),
            "customers": self.customers,
            "data_digest": self.data_digest,
            "versions": dict(self.versions),
            "withheld": dict(self.withheld),
            "backtest": self.backtest,
        }


TRAINS_ON = calendar.SUNDAY


def training_due(settings: Settings, as_of: date) -> bool:
    """Whether models are trained as of a day: it is a Sunday, they were trained as of it before, or there is none yet.

    A rule on the day, not on when the last training was: so days have the same models in whatever order they run.
    """
    from ddcrm.training.fit import models_of

    models, names = registry(settings), models_of(settings.segments)
    if as_of.weekday() == TRAINS_ON or any(models.has_pointer(name, as_of) for name in names):
        return True
    for name in names:
        with suppress(ModelNotFoundError):  # one of them may have been withheld
            models.newest(name, as_of)
            return False
    return True


def train(settings: Settings, as_of: date, models: Sequence[str] | None = None) -> TrainResult:
    """Train the models (by default all that are published) on the customers as they were known at the end of `as_of`.

    A model that the data do not carry is withheld, the others go on. Trained again on the same data with the same
    settings, a model keeps its version and is not fitted again. Raises SettingsError for a model that there is not,
    MissingDataError where there is nothing to learn from.
    """
    from ddcrm.pipeline.basis import Basis
    from ddcrm.pipeline.record import recorded
    from ddcrm.pipeline.restate_finish import settled
    from ddcrm.training.fit import models_of

    names = _checked(models_of(settings.segments) if models is None else models)
    with (
        recorded(settings, "train", as_of=as_of) as ledger,
        settled(settings, ledger.warehouse, shared=True),  # registry and ledger must name the same versions
    ):
        progress.point("train.begin", as_of=str(as_of), models=list(names))
        result, trained = train_on(settings, as_of, names, Basis.read(settings, ledger))
        for ref in trained:
            record_model(ledger, ref)
        progress.point("train.end", as_of=str(as_of), trained=len(trained), withheld=len(result.withheld))
    return result


def train_on(settings: Settings, as_of: date, names: Sequence[str], basis: Basis) -> tuple[TrainResult, list[ModelRef]]:
    """Train and keep the models, and leave no record in the ledger; returns what is now current, too."""
    from ddcrm.lake.engine import Engine
    from ddcrm.pipeline.basis import training_made_by, training_of

    made_by = partial(training_of, training_made_by(settings, basis, as_of), basis, as_of)
    with Engine(settings) as engine, engine.remembering():
        features, digest = _features(engine, as_of)
        trained, withheld = _train_all(engine, as_of, features, digest, names, made_by)
    versions = {name: ref.version for name, ref in trained.items()}
    decided = trained["value"].card["parameters"]["backtest"] if "value" in trained else None
    return TrainResult(as_of, features.num_rows, digest, versions, withheld, decided), list(trained.values())


def registry(settings: Settings) -> Registry:
    """The registry of the project's lake."""
    from ddcrm.training.registry import Registry

    return Registry(settings.lake_dir / "models")


def _checked(models: Sequence[str]) -> tuple[str, ...]:
    from ddcrm.training.fit import MODELS

    unknown = [name for name in models if name not in MODELS]
    if unknown or not models:
        raise SettingsError(f"there is no model {', '.join(unknown) or '(none was named)'}",
                            hint=f"Choose from {', '.join(MODELS)}.")  # fmt: skip
    return tuple(name for name in MODELS if name in models)


def _features(engine: Engine, as_of: date) -> tuple[pa.Table, str]:
    from ddcrm.features.table import required_features
    from ddcrm.training.fit import TRAINING_COLUMNS
    from ddcrm.warehouse.digest import digest_table

    features = required_features(engine, as_of, TRAINING_COLUMNS)
    progress.point("train.features", customers=features.num_rows)
    return features, digest_table(features, ["customer_id"])


def _train_all(
    engine: Engine, as_of: date, features: pa.Table, digest: str, names: Sequence[str], made_by: MadeByCard
) -> tuple[dict[str, ModelRef], dict[str, str]]:
    from ddcrm.training.fit import REGRESSIONS

    models, trained, withheld = registry(engine.settings), {}, {}
    for name in names:
        progress.point("train.fit", model=name, customers=features.num_rows)
        try:
            train_one = _train_value if name == "value" else _train_regression if name in REGRESSIONS else _train_one
            trained[name] = train_one(engine, as_of, features, digest, name, models, made_by)
        except ModelError as error:
            withheld[name] = str(error.reason or error.message)
            models.withhold(name, as_of, withheld[name], made_by(None))
            progress.point("train.withheld", model=name, reason=withheld[name])
    return trained, withheld


def _train_one(
    engine: Engine, as_of: date, features: pa.Table, digest: str, name: str, models: Registry, made_by: MadeByCard
) -> ModelRef:
    """Fit a model, or find that the registry has what the fit would give."""
    from ddcrm.training.fit import LEARNED_SCHEMES

    follows = _previous(models, name, as_of) if name in LEARNED_SCHEMES else None
    card = _card(as_of, features, digest, settings_of(engine.settings, name), follows)
    previous = models.load(follows) if follows else None
    return _kept(models, name, as_of, card, made_by, lambda: _fit(engine.settings, features, name, previous))


def _train_value(
    engine: Engine, as_of: date, features: pa.Table, digest: str, name: str, models: Registry, made_by: MadeByCard
) -> ModelRef:
    """Back-test the methods and keep who won, or find that the registry has what they would give."""
    from ddcrm.models.threads import one_thread
    from ddcrm.scoring.forecast import REGRESSION
    from ddcrm.training import backtest, champion, intervals, regressions
    from ddcrm.training.fit import REGRESSIONS

    settings, value = engine.settings, engine.settings.value.at(as_of)
    split = backtest.split_of(_first_day(as_of, features), as_of, value)
    days = intervals.interval_days(_first_day(as_of, features), as_of, split.holdout_days, value)
    holdout, longer = intervals.with_longer(engine, as_of, backtest.read_holdout(engine, as_of, split), days)
    evidence = intervals.Evidence(longer, partial(regressions.read_newest, engine, as_of, REGRESSIONS[REGRESSION]))
    progress.point("train.holdout", cut=str(split.cut), customers=len(holdout.spend))
    versions = _versions_of(models, as_of)
    card = _card(as_of, features, holdout.digest, {**settings_of(settings, name), "models": versions}, None)

    def fit() -> Fitted:
        with one_thread():
            found = champion.back_test(holdout, value, versions, _kind_of(models, versions), evidence)
            return champion.fitted(found, settings.purchase)

    return _kept(models, name, as_of, card, made_by, fit)


def _train_regression(
    engine: Engine, as_of: date, features: pa.Table, digest: str, name: str, models: Registry, made_by: MadeByCard
) -> ModelRef:
    """Fit the regression of a period, or find that the registry has what the fit would give."""
    from ddcrm.training import regressions
    from ddcrm.training.fit import REGRESSIONS

    regressions.check_history(_first_day(as_of, features), as_of, REGRESSIONS[name])
    learned, fit = regressions.fit_period(engine, as_of, REGRESSIONS[name])
    card = _card(as_of, features, digest, {**settings_of(engine.settings, name), "learned": learned}, None)
    return _kept(models, name, as_of, card, made_by, fit)


def _card(
    as_of: date, features: pa.Table, digest: str, settings: Mapping[str, Any], follows: ModelRef | None
) -> dict[str, Any]:
    """What a fit depends on."""
    from ddcrm.training.fingerprint import library_versions, model_fingerprint

    return {
        "training_first": str(_first_day(as_of, features)),
        "training_last": str(as_of),
        "data_digest": digest,
        "settings": dict(settings),
        "follows": follows.version if follows else None,
        "code": model_fingerprint(),
        "libraries": library_versions(),
    }


def _kept(
    models: Registry, name: str, as_of: date, card: dict[str, Any], made_by: MadeByCard, fit: Callable[[], Fitted]
) -> ModelRef:
    """The version of the card: found, or fitted and saved."""
    known = models.find(name, as_of, card)
    if known:
        models.point_to(known, made_by(known.card))
        return known
    fitted = fit()
    facts = {key: getattr(fitted, key) for key in ("rows", "excluded", "parameters", "metrics")}
    card |= {**facts, "notes": list(fitted.notes)}
    return models.save(name, as_of, fitted.estimator, card, made_by(card))


def _first_day(as_of: date, features: pa.Table) -> date:
    """The day of the first purchase of all."""
    return as_of - timedelta(days=int(features["tenure_days"].to_numpy().max()))


def _versions_of(models: Registry, as_of: date) -> dict[str, str]:
    """The models that were trained as of this day, with their versions."""
    from ddcrm.training.fit import PURCHASE_MODELS, REGRESSIONS

    found = {}
    for name in (*PURCHASE_MODELS, "gamma_gamma", *REGRESSIONS):
        with suppress(ModelNotFoundError):
            ref = models.newest(name, as_of)
            if ref.trained_as_of == as_of:
                found[name] = ref.version
    return found


def _kind_of(models: Registry, versions: Mapping[str, str]) -> str | None:
    """The kind of the regression through which a champion may speak."""
    from ddcrm.scoring.forecast import REGRESSION

    if REGRESSION not in versions:
        return None
    kind: str = models.version(REGRESSION, versions[REGRESSION]).card["parameters"]["kind"]
    return kind


def _previous(models: Registry, name: str, as_of: date) -> ModelRef | None:
    """The segments' model that stood the day before: its labels are kept where clusters are still the same."""
    try:
        return models.newest(name, as_of - timedelta(days=1))
    except ModelNotFoundError:
        return None


def settings_of(settings: Settings, name: str) -> dict[str, Any]:
    """What the settings say that the fit depends on."""
    from ddcrm.training.fit import LEARNED_SCHEMES
    from ddcrm.training.segments import segment_settings

    value = {"unit_days", "min_customers", "min_repeat_customers"}
    if name == "value":
        value |= {"holdout_days", "min_history_days", "horizon_days", "horizon"}
    learned = name in LEARNED_SCHEMES
    own = segment_settings(name, settings.segments) if learned else settings.value.model_dump(include=value)
    return {**own, "purchase": settings.purchase.model_dump(mode="json")}


def _fit(settings: Settings, features: pa.Table, name: str, previous: Any) -> Fitted:
    from ddcrm.models.threads import one_thread
    from ddcrm.training import fit, segments

    columns = fit.columns_of(features)
    with one_thread():  # sums by several threads differ in the last bits
        if name in fit.LEARNED_SCHEMES:
            return segments.fit_segments(name, columns, settings.segments, previous)
        if name == "gamma_gamma":
            return fit.fit_gamma_gamma(columns, settings.value)
        return fit.fit_purchases(name, columns, settings.value)


def record_model(ledger: Ledger, ref: ModelRef) -> None:
    """Enter a trained version in the ledger."""
    from ddcrm.warehouse.records import Model

    card = ref.card
    model = Model(
        name=ref.name,
        version=ref.version,
        trained_as_of=ref.trained_as_of,
        training_first=date.fromisoformat(card["training_first"]),
        training_last=date.fromisoformat(card["training_last"]),
        data_digest=card["data_digest"],
        fingerprint=card["artifact_sha256"],
        card=card,
        metrics=card["metrics"],
    )
    ledger.record_model(model)
    progress.point("train.recorded", model=ref.name, version=ref.version)
