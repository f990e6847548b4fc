"""Settings: the defaults here, then `ddcrm.toml`, then `DDCRM_*` variables (nested ones with two underscores).

Relative paths are meant from the folder of `ddcrm.toml`. Secrets are named in contracts and settings and come from the
environment (`DDCRM_SECRET_<NAME>`) or from a resolver that the caller hands over (an Airflow connection, say).
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ddcrm.errors import SettingsError
from ddcrm.features.units import Period

SecretResolver = Callable[[str], str | None]


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EngineSettings(_Group):
    """The engine that conforms and computes features (DuckDB in process)."""

    threads: int = Field(2, ge=1)
    memory_limit: str = Field("4GB", pattern=r"^\d+(\.\d+)? ?([KMGT]i?B)$")


class SourceSettings(_Group):
    """What a deployment says of one source, over what its contract says."""

    location: str | None = None  # base URL of an HTTP source
    enabled: bool = True


class PurchaseSettings(_Group):
    """What counts as a purchase: a calendar day of a customer whose orders satisfy `counts`.

    positive: spend of at least one line above zero; non_negative: zero-value days count too; any: returns alone, too.
    """

    counts: Literal["positive", "non_negative", "any"] = "positive"
    exclude_status: tuple[str, ...] = ()


class ValueSettings(_Group):
    """Customer value: the horizon, the yearly discount rate, the time unit of the models, the back-test."""

    horizon_days: int = Field(365, ge=1)
    horizon: str = ""  # in its place: "12 months" of the calendar from as_of, "52 weeks", "90 days"
    discount_rate_annual: float = Field(0.10, ge=0, lt=1)
    unit_days: float = Field(7.0, gt=0, allow_inf_nan=False)  # the models' time unit: 7 days, a week
    margin: Decimal | None = Field(None, ge=0, le=1)  # profit as a share of revenue, for order lines without a cost
    min_customers: int = Field(50, ge=2)
    min_repeat_customers: int = Field(20, ge=2)
    holdout_days: int | None = Field(None, ge=1)  # of the back-test; None: the horizon if the history allows, else 90
    min_history_days: int = Field(28, ge=3)

    @field_validator("horizon")
    @classmethod
    def _a_period(cls, text: str) -> str:
        try:
            return str(Period.parse(text)) if text else ""
        except SettingsError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _one_horizon(self) -> ValueSettings:
        if self.horizon and "horizon_days" in self.model_fields_set:
            raise ValueError(f"horizon {self.horizon!r} stands in the place of horizon_days {self.horizon_days}; "
                             "give one of the two")  # fmt: skip
        return self

    def at(self, as_of: date) -> ValueSettings:
        """The same with the days that the horizon has from the end of `as_of`."""
        if not self.horizon:
            return self
        return self.model_copy(update={"horizon_days": Period.parse(self.horizon).days(as_of)})


class UsageSettings(_Group):
    """Usage: heavy spenders make this first share of the revenue of `days` days, medium ones go up to the other."""

    days: Literal[30, 90, 365] = 365
    heavy: float = Field(0.5, gt=0, lt=1)
    medium: float = Field(0.9, gt=0, le=1)

    @model_validator(mode="after")
    def _in_order(self) -> UsageSettings:
        if self.heavy >= self.medium:
            raise ValueError(f"heavy {self.heavy:g} must be less than medium {self.medium:g}")
        return self


class LifecycleSettings(_Group):
    """Lifecycle: two periods of `days` days each, the later one ending with as_of."""

    days: Literal[30, 90, 365] = 90


class LoyaltySettings(_Group):
    """Loyalty: how often and how much are of the last `days` days; the least scores of the three upper levels."""

    days: Literal[30, 90, 365] = 365
    levels: tuple[float, float, float] = (75, 50, 25)

    @model_validator(mode="after")
    def _descending(self) -> LoyaltySettings:
        first, second, third = self.levels
        if not 100 > first > second > third > 0:
            raise ValueError("levels must descend between 100 and 0")
        return self


class DensitySettings(_Group):
    """Density: the algorithm, how many customers it is shown at most, and the least share of them that is a segment."""

    method: Literal["hdbscan", "dbscan"] = "hdbscan"
    sample: int = Field(5_000, ge=100, le=50_000)
    min_share: float = Field(0.02, gt=0, lt=0.5)


SchemeName = Literal["density", "kmeans", "lifecycle", "loyalty", "rfm", "usage", "value_tier"]


class SegmentSettings(_Group):
    """Segments: the schemes that are published, and what each of them asks for.

    k_min and k_max bound k-means' k; bootstraps: how often the stability of learned segments is tried.
    """

    schemes: tuple[SchemeName, ...] = get_args(SchemeName)
    k_min: int = Field(3, ge=2)
    k_max: int = Field(8, ge=2)
    bootstraps: int = Field(20, ge=2)
    density: DensitySettings = DensitySettings()
    usage: UsageSettings = UsageSettings()
    lifecycle: LifecycleSettings = LifecycleSettings()
    loyalty: LoyaltySettings = LoyaltySettings()

    @model_validator(mode="after")
    def _with_rfm(self) -> SegmentSettings:
        if "rfm" not in self.schemes or len(set(self.schemes)) < len(self.schemes):
            raise ValueError("schemes must name rfm, which needs no model, and none twice")
        return self


class ChangeSettings(_Group):
    """When what a source delivers counts as changed (docs/schema-changes.md); shares are those of a batch's rows."""

    history_batches: int = Field(14, ge=1)  # earlier batches that a batch is held against
    min_batches: int = Field(3, ge=1)  # with fewer, sizes of values are not judged
    min_values: int = Field(10, ge=1)  # fewer rows or values say nothing
    attention_share: float = Field(0.05, gt=0, le=1)
    breaking_share: float = Field(0.5, gt=0, le=1)
    unit_factors: tuple[float, ...] = (100.0, 1000.0)  # between units: cents, grams; their inverses, too
    unit_tolerance: float = Field(0.5, gt=0, lt=2)  # 0.5: a ratio between 67 and 150 is taken for 100
    shift_factor: float = Field(40.0, gt=1)  # a median that changes by less is no change


class RestateSettings(_Group):
    """Restatements: how long replaced days are kept for undo; beyond which changes a second approval is asked for.

    max_value_change: share by which the sum of a value of a day may change; max_segment_moves: share of a day's
    customers that may change their segment in a scheme; max_customers_change: share that may come or go.
    """

    keep_days: int = Field(30, ge=0)
    max_value_change: float = Field(0.10, ge=0)
    max_segment_moves: float = Field(0.20, ge=0, le=1)
    max_customers_change: float = Field(0.02, ge=0)


class CleanSettings(_Group):
    """How long `ddcrm clean` lets stand what nothing refers to any more.

    superseded_hours: files that the newest version of a table does not have: a reader that has begun may still read
    them; scored_days: scored days on disk; abandoned_days: open restatements, from their last event on.
    """

    superseded_hours: int = Field(168, ge=1)
    scored_days: int = Field(7, ge=1)
    abandoned_days: int = Field(30, ge=1)


class Settings(BaseSettings):
    """All settings of one project (the folder that holds `ddcrm.toml`)."""

    model_config = SettingsConfigDict(env_prefix="DDCRM_", env_nested_delimiter="__", extra="ignore", frozen=True)

    project_dir: Path = Path()
    state_dir: Path = Path(".ddcrm")
    sources_dir: Path = Path()
    contracts_dir: Path = Path("contracts")
    expectations_dir: Path = Path("expectations")
    published_expectations_dir: Path | None = None  # suites of the published tables; None: expectations_dir
    warehouse_url: SecretStr | None = None  # any PostgreSQL as SQLAlchemy writes it; None: the embedded one
    engine: EngineSettings = EngineSettings()
    sources: dict[str, SourceSettings] = {}
    purchase: PurchaseSettings = PurchaseSettings()
    value: ValueSettings = ValueSettings()
    segments: SegmentSettings = SegmentSettings()
    changes: ChangeSettings = ChangeSettings()
    restate: RestateSettings = RestateSettings()
    clean: CleanSettings = CleanSettings()

    _resolver: SecretResolver | None = PrivateAttr(default=None)
    _lake: Path | None = PrivateAttr(default=None)

    @property
    def lake_dir(self) -> Path:
        """The root of the lake."""
        return self._lake or self.state_dir / "lake"

    @property
    def postgres_dir(self) -> Path:
        """The data folder of the embedded PostgreSQL."""
        return self.state_dir / "postgres"

    def source(self, name: str) -> SourceSettings:
        """What this deployment says of a source."""
        return self.sources.get(name, SourceSettings())

    def with_lake(self, folder: Path) -> Settings:
        """The same settings with a lake of its own: what a restatement works on."""
        copy = self.model_copy()
        copy._lake = folder
        return copy

    def with_secrets(self, resolver: SecretResolver) -> Settings:
        """The same settings; secrets that are not in the environment are asked from `resolver(name)`."""
        copy = self.model_copy()
        copy._resolver = resolver
        return copy

    def secret(self, name: str, **facts: Any) -> str:
        """The value of the secret `name`; raises SettingsError naming the variable where it is not to be had.

        facts: who asks (source, partition), for the error.
        """
        variable = secret_variable(name)
        value = os.environ.get(variable) or (self._resolver(name) if self._resolver else None)
        if not value:
            hint = f"Set {variable}, or an Airflow connection called {name}."
            raise SettingsError(f"the secret {name!r} is not set", **facts, hint=hint)
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Variables win over the file, whose values `load_settings` hands over as init values."""
        return env_settings, init_settings


def secret_variable(name: str) -> str:
    """The variable that holds the secret `name`."""
    return f"DDCRM_SECRET_{name.upper().replace('-', '_')}"


def find_project(start: Path | None = None) -> Path:
    """The folder of `ddcrm.toml`: DDCRM_PROJECT_DIR, else the first one from `start` (or here) upwards."""
    named = os.environ.get("DDCRM_PROJECT_DIR")
    here = Path(named) if named and start is None else (start or Path.cwd()).resolve()
    if not here.is_dir():
        raise SettingsError(f"there is no folder {here}", hint="Correct --project or DDCRM_PROJECT_DIR.")
    for folder in (here, *here.parents):
        if (folder / "ddcrm.toml").is_file():
            return folder
    raise SettingsError(
        f"there is no ddcrm.toml in {here} or above",
        hint="Go to a project's folder, or name it with --project or DDCRM_PROJECT_DIR.",
    )


def load_settings(project: Path | None = None, **overrides: Any) -> Settings:
    """Read the settings of a project; raises SettingsError naming the setting that is wrong."""
    folder = find_project(project)
    try:
        values = tomllib.loads((folder / "ddcrm.toml").read_text("utf-8"))
        _refuse_unknown(values, folder / "ddcrm.toml")
        settings = Settings(**{**values, "project_dir": folder})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{folder / 'ddcrm.toml'} can't be read: {error}") from None
    except ValidationError as error:
        raise _wrong(error.errors()[0], folder / "ddcrm.toml") from None
    settings = settings.model_copy(update=overrides)
    settings = settings.model_copy(
        update={"published_expectations_dir": settings.published_expectations_dir or settings.expectations_dir}
    )
    folders = ("state_dir", "sources_dir", "contracts_dir", "expectations_dir", "published_expectations_dir")
    resolved = {name: (folder / getattr(settings, name)).resolve() for name in folders}
    return settings.model_copy(update={"project_dir": folder, **resolved})


def _refuse_unknown(values: Mapping[str, Any], file: Path) -> None:
    known = [name for name in Settings.model_fields if name != "project_dir"]
    unknown = sorted(set(values) - set(Settings.model_fields))
    if unknown:
        raise SettingsError(f"there is no setting {unknown[0]!r}", file=file, hint=_known(unknown[0], known))


def _wrong(found: Mapping[str, Any], file: Path) -> SettingsError:
    """The error for the first thing that pydantic finds."""
    path = [str(part) for part in found["loc"]]
    name = ".".join(path)
    if found["type"] == "extra_forbidden":
        return SettingsError(f"there is no setting {name!r}", file=file, hint=_known(path[-1], _names_in(path[:-1])))
    return SettingsError(f"the setting {name} is wrong: {found['msg']}", hint=f"See {file} and the DDCRM_* variables.")


def _names_in(path: list[str]) -> list[str]:
    """The settings of the group at `path`; the names in [sources] are the project's own."""
    if path[0] == "sources":
        return list(SourceSettings.model_fields)
    group: Any = Settings
    for name in path:
        group = group.model_fields[name].annotation
    return list(group.model_fields)


def _known(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Known are {', '.join(known)}."
