"""The ledger, schema ops: which steps ran, what became of each batch, what the checks said, which models there are.

Every record replaces the one of the same key, so a step that runs twice leaves what it would have left once. The
database's clock dates the entries; nothing that is computed depends on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ddcrm.dates import DateRange
from ddcrm.errors import WarehouseError
from ddcrm.warehouse import history
from ddcrm.warehouse.failures import recordable
from ddcrm.warehouse.records import (
    Batch,
    Model,
    Publication,
    PublishedDay,
    Reason,
    Run,
    Status,
    Validation,
    plain,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

    from ddcrm.warehouse.connect import Warehouse


class Ledger:
    """Writes and reads the ledger of one warehouse; entries made inside `run` carry its run_id."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self.run_id: str | None = None

    @contextmanager
    def run(
        self,
        step: str,
        *,
        source: str | None = None,
        partition_first: date | None = None,
        partition_last: date | None = None,
        as_of: date | None = None,
        orchestrator_ref: str | None = None,
        **facts: Any,
    ) -> Iterator[Run]:
        """Record a run of `step`: running, then succeeded or failed with the error's type and text, which passes on.

        An earlier run of the same step on the same data that never reported its end becomes failed (Interrupted).
        """
        run = Run(
            uuid4().hex,
            step,
            source=source,
            partition_first=partition_first,
            partition_last=partition_last,
            as_of=as_of,
            orchestrator_ref=orchestrator_ref,
            facts=dict(facts),
        )
        self._begin(run)
        outer, self.run_id = self.run_id, run.run_id
        try:
            yield run
        except BaseException as error:
            with suppress(WarehouseError):  # the step's own error matters more
                self._end(run, "failed", type(error).__name__, recordable(error))
            raise
        finally:
            self.run_id = outer
        self._end(run, "succeeded")

    def record_batches(self, batches: Sequence[Batch], reasons: Sequence[Reason] = ()) -> None:
        """Replace what is known of these batches and their reasons; raises WarehouseError where counts don't add up."""
        from ddcrm.warehouse.tables import batch_reasons
        from ddcrm.warehouse.tables import batches as table

        rows = [{**vars(batch), "run_id": self.run_id} for batch in batches]
        for row in rows:
            del row["recorded_at"]
        keys = {(batch.source, batch.batch_date) for batch in batches}
        with self.warehouse.begin() as connection:
            _upsert(connection, table, rows)
            _delete_batches(connection, batch_reasons, keys)
            _upsert(connection, batch_reasons, [vars(reason) for reason in reasons])

    def record_reasons(self, source: str, dates: DateRange, reasons: Sequence[Reason]) -> None:
        """Replace the reasons of a source's batches in `dates`."""
        from ddcrm.warehouse.tables import batch_reasons

        with self.warehouse.begin() as connection:
            _delete_batches(connection, batch_reasons, {(source, day) for day in dates})
            _upsert(connection, batch_reasons, [vars(reason) for reason in reasons])

    def record_validations(
        self,
        validations: Sequence[Validation],
        *,
        source: str | None = None,
        dates: DateRange | None = None,
        table: str | None = None,
        as_of: date | None = None,
    ) -> None:
        """Replace all checks of a source's batches in `dates`, or of a published table at `as_of`."""
        from sqlalchemy import insert

        from ddcrm.warehouse.tables import validations as target

        first, last = (dates.first, dates.last) if dates else (None, None)
        subject = {"source": source, "batch_date": first, "batch_last": last, "table_name": table, "as_of": as_of}
        rows = [
            {**vars(check), **subject, "observed": plain(check.observed), "run_id": self.run_id}
            for check in validations
        ]
        with self.warehouse.begin(
            **{name: value for name, value in subject.items() if value is not None}
        ) as connection:
            connection.execute(_superseded(target, subject))
            if rows:
                connection.execute(insert(target), rows)

    def record_model(self, model: Model) -> None:
        """Replace what is known of this version of the model, and its metrics."""
        from sqlalchemy import delete

        from ddcrm.warehouse.tables import model_metrics, models

        row = {**vars(model), "card": plain(model.card), "run_id": self.run_id}
        key = {"name": model.name, "version": model.version}
        metrics = [
            {**key, "metric": name, "value": None if value is None else float(value)}
            for name, value in row.pop("metrics").items()
        ]
        with self.warehouse.begin(model=model.name, version=model.version) as connection:
            _upsert(connection, models, [row])
            connection.execute(delete(model_metrics).filter_by(**key))
            _upsert(connection, model_metrics, metrics)

    def batches(self, source: str, first: date, last: date) -> list[Batch]:
        """The batches of a source from `first` to `last`, in order."""
        with self.warehouse.begin() as connection:
            return history.batches(connection, source, first, last)

    def all_batches(self) -> list[Batch]:
        """Every batch, by source and day."""
        with self.warehouse.begin() as connection:
            return history.all_batches(connection)

    def row_counts(self, source: str, day: date, weeks: int = 4) -> dict[date, int]:
        """Rows that landed on the same weekday in each of the `weeks` weeks before `day`, as far as known."""
        with self.warehouse.begin() as connection:
            return history.row_counts(connection, source, day, weeks)

    def publications(self, as_of: date) -> list[Publication]:
        """What is published of a day."""
        with self.warehouse.begin() as connection:
            return history.publications(connection, as_of)

    def published_days(self) -> list[PublishedDay]:
        """Every complete day, in order."""
        with self.warehouse.begin() as connection:
            return history.published_days(connection)

    def past_runs(self, step: str, newest: int = 50) -> list[tuple[float, int]]:
        """Seconds of the newest runs of a step that succeeded, and rows that landed in the batches of each."""
        with self.warehouse.begin() as connection:
            return history.past_runs(connection, step, newest)

    def current_day(self) -> date | None:
        """The newest day of which every table is published."""
        with self.warehouse.begin() as connection:
            return history.current_day(connection)

    def status(self) -> Status:
        """Where the pipeline stands."""
        with self.warehouse.begin() as connection:
            return history.status(connection)

    def _begin(self, run: Run) -> None:
        from sqlalchemy import func, insert, update

        from ddcrm.warehouse.tables import runs

        same = ("step", "source", "partition_first", "partition_last", "as_of")
        never_ended = (
            update(runs)
            .where(runs.c.status == "running")
            .values(
                status="failed",
                ended_at=func.now(),
                error_type="Interrupted",
                error_message="it never reported its end",
            )
        )
        for name in same:
            never_ended = never_ended.where(runs.c[name].is_not_distinct_from(getattr(run, name)))
        row = {name: value for name, value in vars(run).items() if name not in ("started_at", "ended_at")}
        with self.warehouse.begin() as connection:
            connection.execute(never_ended)
            connection.execute(insert(runs).values({**row, "facts": plain(run.facts)}))

    def _end(self, run: Run, status: str, error_type: str | None = None, error_message: str | None = None) -> None:
        from sqlalchemy import func, update

        from ddcrm.warehouse.tables import runs

        values = {"status": status, "error_type": error_type, "error_message": error_message, "facts": plain(run.facts)}
        with self.warehouse.begin() as connection:
            statement = update(runs).where(runs.c.run_id == run.run_id)
            connection.execute(statement.values(ended_at=func.clock_timestamp(), **values))


def _upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows or replace those of the same key, in the order of the key: writers don't lock each other out."""
    from sqlalchemy import func
    from sqlalchemy.dialects.postgresql import insert

    from ddcrm.warehouse.tables import key_of

    if not rows:
        return
    key = key_of(table)
    statement = insert(table)
    values: dict[str, Any] = {name: statement.excluded[name] for name in rows[0] if name not in key}
    if "recorded_at" in table.c:
        values["recorded_at"] = func.now()
    ordered = sorted(rows, key=lambda row: [row[name] for name in key])
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=values), ordered)


def _delete_batches(connection: Connection, table: Table, keys: set[tuple[str, date]]) -> None:
    from sqlalchemy import and_, bindparam, delete

    if keys:
        where = and_(table.c.source == bindparam("a_source"), table.c.batch_date == bindparam("a_day"))
        connection.execute(
            delete(table).where(where), [{"a_source": source, "a_day": day} for source, day in sorted(keys)]
        )


def _superseded(table: Table, subject: Mapping[str, Any]) -> Any:
    """Deletes the earlier checks of the same data: those of the table's day, or of batches within the range."""
    from sqlalchemy import delete

    if subject["table_name"]:
        return delete(table).where(table.c.table_name == subject["table_name"], table.c.as_of == subject["as_of"])
    return delete(table).where(
        table.c.source == subject["source"],
        table.c.batch_date >= subject["batch_date"],
        table.c.batch_last <= subject["batch_last"],
    )
