"""A task's body: the business day out of the context, one step of the library, its result as counts and references."""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowSkipException
from ddcrm_policy import can_pass
from ddcrm_project import project_settings

from ddcrm.dates import DateRange, parse_day
from ddcrm.errors import DdcrmError, SettingsError
from ddcrm.progress import listening
from ddcrm.settings import Settings

if TYPE_CHECKING:
    from ddcrm.pipeline.release import Wave

log = logging.getLogger("ddcrm.task")

# dlt would ask Airflow's variables for each of its own settings, one request each; ours come from `project_settings`
os.environ.setdefault("PROVIDERS__ENABLE_AIRFLOW_SECRETS", "false")


class UnexpectedError(DdcrmError):
    """An error of a library, or a bug, without what it quotes."""


class UnexpectedPassingError(UnexpectedError):
    """The same, of a kind that may pass: a broken connection, a timeout."""

    retryable = True


def source_step(step: Callable[[Settings, str, DateRange], Any], source: str) -> dict[str, Any]:
    """Run a step of a source for the run's business day; returns its result's `as_dict()`."""
    return run_step(lambda: step(project_settings(), source, DateRange.parse(business_day())).as_dict())


def day_step(step: Callable[[Settings, date], Any]) -> dict[str, Any]:
    """Run a step of the run's business day; returns its result's `as_dict()`."""
    return run_step(lambda: step(project_settings(), business_day()).as_dict())


def check_day(source: str) -> None:
    """Skip the source's tasks on days that no version of its contract reads (a source that begins next month).

    Raises SettingsError for a day that is not over yet where the source is: half of it would be taken for the whole.
    """

    def contract() -> Any:
        from ddcrm.contracts import load_source

        return load_source(project_settings().contracts_dir, source).effective(source, business_day())

    reading = run_step(contract)
    if reading is None:
        raise AirflowSkipException(f"no version of the contract of {source} reads {business_day()}")
    ends = datetime.combine(business_day() + timedelta(days=1), time(), ZoneInfo(reading.timezone))
    if datetime.now(UTC) < ends:
        raise SettingsError(
            f"the day is not over yet: it ends at {ends.isoformat()}", source=source, partition=str(business_day()),
            hint="Run it again then. If that is so every day, set DDCRM_SCHEDULE_TIMEZONE to the source's time zone.",
        )  # fmt: skip


def release_days() -> list[str]:
    """Announce the run's day: returns the days that may be scored now, among them later ones that waited for it.

    A day of a backfill that has to wait for earlier ones is skipped, and released by the last of them. Raises
    EarlierBatchMissingError where earlier batches are missing that nobody has asked for, unless `allow_gap` is set.
    """
    from ddcrm.pipeline.release import announce

    context = get_current_context()
    allow_gap, wave = bool(context["params"].get("allow_gap")), wave_of(context["dag_run"])
    days = run_step(lambda: announce(project_settings(), business_day(), wave, allow_gap=allow_gap))
    if not days:
        raise AirflowSkipException("earlier days of the backfill are missing: the last of them has this one scored")
    return [str(day) for day in days]


def wave_of(run: Any) -> Wave | None:
    """The backfill that the run is part of, as `ddcrm_backfill` has noted it; None: it is part of none."""
    from ddcrm.pipeline.release import Wave

    noted = (run.conf or {}).get("backfill")
    return Wave(f"backfill {noted['id']}", parse_day(noted["first"], "the backfill's first day")) if noted else None


def train_day() -> dict[str, Any]:
    """Train as of the run's day where the library's rule says so or `force` is set, earlier days first."""
    from ddcrm.pipeline.release import train_in_turn

    force = bool(get_current_context()["params"].get("force"))
    return dict(run_step(lambda: train_in_turn(project_settings(), business_day(), force=force)))


def business_day() -> date:
    """The day of this run, from its partition key; raises SettingsError where it has none, or not a day."""
    run = get_current_context()["dag_run"]
    if run.partition_key is None:
        raise SettingsError("this run has no partition key, so there is no business day to work on", run=run.run_id,
                            hint="Trigger the DAG with a partition key such as 2026-03-05.")  # fmt: skip
    return parse_day(run.partition_key, "the partition key")


def run_step(call: Callable[[], Any]) -> Any:
    """Call a step of the library: its points are logged; an error is one line, raised without its causes.

    What a library's own error quotes may be a customer's: raised is an UnexpectedError without it, and where it
    happened is logged.
    """
    with listening(_log_point):
        try:
            return call()
        except DdcrmError as error:
            failed = error
        except Exception as error:
            failed = _unexpected(error)
    log.debug("where it was raised", exc_info=failed)
    log.error("%s: %s", type(failed).__name__, failed)
    # with a new traceback and no causes: the message says it all, and a cause may quote customers' values
    failed.__context__ = None
    raise failed.with_traceback(None) from None


def _unexpected(error: Exception) -> DdcrmError:
    from ddcrm.warehouse.failures import recordable

    log.error("where it was raised:\n%s", "".join(traceback.format_tb(error.__traceback__)))
    kind = UnexpectedPassingError if can_pass(error) else UnexpectedError
    return kind(f"an unexpected {type(error).__name__}: {recordable(error) or 'no message'}")


def _log_point(name: str, facts: dict[str, Any]) -> None:
    log.info("%s %s", name, " ".join(f"{key}={value}" for key, value in facts.items()))
