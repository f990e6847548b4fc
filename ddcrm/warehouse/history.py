"""What the ledger knows, read back."""

from __future__ import annotations

from dataclasses import fields
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from ddcrm.warehouse.records import Batch, Model, Publication, PublishedDay, Run, Status

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

_T = TypeVar("_T")
_SHOWN = 20  # runs in the status


def batches(connection: Connection, source: str, first: date, last: date) -> list[Batch]:
    """The batches of a source from `first` to `last`, in order."""
    from sqlalchemy import select

    from ddcrm.warehouse.tables import batches as table

    query = select(table).where(table.c.source == source, table.c.batch_date.between(first, last))
    return _records(connection, Batch, query.order_by(table.c.batch_date))


def all_batches(connection: Connection) -> list[Batch]:
    """Every batch, by source and day."""
    from sqlalchemy import select

    from ddcrm.warehouse.tables import batches as table

    return _records(connection, Batch, select(table).order_by(table.c.source, table.c.batch_date))


def row_counts(connection: Connection, source: str, day: date, weeks: int) -> dict[date, int]:
    """Rows landed on the same weekday in the weeks before."""
    from sqlalchemy import select

    from ddcrm.warehouse.tables import batches as table

    days = [day - timedelta(weeks=week) for week in range(weeks, 0, -1)]
    query = select(table.c.batch_date, table.c.landed).where(table.c.source == source, table.c.batch_date.in_(days))
    return {row.batch_date: row.landed for row in connection.execute(query.order_by(table.c.batch_date))}


def publications(connection: Connection, as_of: date) -> list[Publication]:
    """The published tables of a day, in the order of their names."""
    from sqlalchemy import select

    from ddcrm.warehouse.tables import publications as table

    columns = (table.c.as_of, table.c.table_name.label("table"), table.c.rows, table.c.digest)
    return _records(connection, Publication, select(*columns).where(table.c.as_of == as_of).order_by("table"))


def published_days(connection: Connection) -> list[PublishedDay]:
    """Every complete day, in order; what made it is the same for all its tables."""
    from sqlalchemy import text

    query = (
        "SELECT as_of, jsonb_object_agg(table_name, digest) AS digests, CAST(sum(rows) AS bigint) AS rows, "
        "(array_agg(made_by ORDER BY table_name))[1] AS made_by, max(published_at) AS published_at "
        "FROM ops.publications WHERE as_of IN (SELECT as_of FROM ops.complete_days) GROUP BY as_of ORDER BY as_of"
    )
    return [PublishedDay(**row) for row in connection.execute(text(query)).mappings()]


def past_runs(connection: Connection, step: str, newest: int) -> list[tuple[float, int]]:
    """Seconds and landed rows of the newest runs of a step that succeeded."""
    from sqlalchemy import text

    query = (
        "SELECT CAST(extract(epoch FROM r.ended_at - r.started_at) AS double precision), "
        "(SELECT CAST(coalesce(sum(b.landed), 0) AS bigint) FROM ops.batches b WHERE b.source = r.source "
        "AND b.batch_date BETWEEN r.partition_first AND r.partition_last) "
        "FROM ops.runs r WHERE r.step = :step AND r.status = 'succeeded' ORDER BY r.started_at DESC LIMIT :newest"
    )
    rows = connection.execute(text(query), {"step": step, "newest": newest})
    return [(seconds, landed) for seconds, landed in rows]


def current_day(connection: Connection) -> date | None:
    """The newest complete day, as the views have it."""
    from sqlalchemy import text

    found: date | None = connection.execute(text("SELECT max(as_of) FROM ops.complete_days")).scalar()
    return found


def status(connection: Connection) -> Status:
    """All of it, for `ddcrm status`."""
    day = current_day(connection)
    return Status(
        day,
        tuple(publications(connection, day)) if day else (),
        tuple(_last_batches(connection)),
        tuple(_last_runs(connection, "failed")),
        tuple(_last_runs(connection, "running")),
        tuple(_newest_models(connection)),
    )


def _last_batches(connection: Connection) -> list[Batch]:
    from sqlalchemy import select
    from sqlalchemy.dialects.postgresql import distinct_on

    from ddcrm.warehouse.tables import batches as table

    query = select(table).ext(distinct_on(table.c.source)).order_by(table.c.source, table.c.batch_date.desc())
    return _records(connection, Batch, query)


def _last_runs(connection: Connection, wanted: str) -> list[Run]:
    """Runs whose last try on the same data has this status: one that succeeded since is no failure any more."""
    from sqlalchemy import select
    from sqlalchemy.dialects.postgresql import distinct_on

    from ddcrm.warehouse.tables import runs

    same = (runs.c.step, runs.c.source, runs.c.partition_first, runs.c.partition_last, runs.c.as_of)
    last = select(runs).ext(distinct_on(*same)).order_by(*same, runs.c.started_at.desc()).subquery()
    query = select(last).where(last.c.status == wanted).order_by(last.c.started_at.desc()).limit(_SHOWN)
    return _records(connection, Run, query)


def _newest_models(connection: Connection) -> list[Model]:
    from sqlalchemy import func, select
    from sqlalchemy.dialects.postgresql import distinct_on

    from ddcrm.warehouse.tables import model_metrics, models

    metrics = (
        select(func.jsonb_object_agg(model_metrics.c.metric, model_metrics.c.value))
        .where(model_metrics.c.name == models.c.name, model_metrics.c.version == models.c.version)
        .scalar_subquery()
    )
    newest = (models.c.name, models.c.trained_as_of.desc(), models.c.recorded_at.desc())
    query = select(models, func.coalesce(metrics, func.jsonb_build_object()).label("metrics"))
    return _records(connection, Model, query.ext(distinct_on(models.c.name)).order_by(*newest))


def _records(connection: Connection, kind: type[_T], query: Select[Any]) -> list[_T]:
    """Each row as a record; columns that the record lacks are left out."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    return [kind(**{name: row[name] for name in names}) for row in connection.execute(query).mappings()]
