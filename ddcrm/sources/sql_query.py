"""What is asked of a database: the columns of the table, and the days of its cursor."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ddcrm.contracts.model import Contract
from ddcrm.dates import DateRange
from ddcrm.errors import ContractError, MissingDataError, SchemaChangedError
from ddcrm.sources.columns import check_names, find_column

if TYPE_CHECKING:
    import sqlalchemy as sa

    from ddcrm.sources.sql_connect import Database

KINDS = ("timestamp", "timestamptz", "date", "text")


@dataclass(frozen=True)
class Cursor:
    """The column that says to which day a row belongs.

    `kind`: timestamp (without an offset, meant in `zone`), timestamptz, date, or text that begins with YYYY-MM-DD.
    Days are those of the time zone `days_in`.
    """

    column: sa.ColumnElement[Any]
    kind: str
    zone: ZoneInfo
    days_in: ZoneInfo

    def bound(self, day: date) -> date | datetime | str:
        """The begin of a day, as the column has it."""
        if self.kind == "date":
            return day
        if self.kind == "text":
            return day.isoformat()
        begin = datetime.combine(day, time(), self.days_in)
        if self.kind == "timestamptz":
            return begin.astimezone(UTC)
        return begin.astimezone(self.zone).replace(tzinfo=None)

    def day(self, value: Any) -> str:
        """The day of a value that the database gave."""
        if isinstance(value, datetime):
            moment = value if value.tzinfo else value.replace(tzinfo=self.zone)
            return moment.astimezone(self.days_in).date().isoformat()
        return str(value)[:10]


@dataclass(frozen=True)
class Query:
    """The rows of `dates` of a table: by the cursor, or all of them where there is none."""

    table: sa.Table
    columns: tuple[str, ...]
    dates: DateRange
    cursor: Cursor | None

    @property
    def source(self) -> str:
        """What `_source` says: table and condition."""
        if self.cursor is None:
            return self.table.fullname
        end = self.dates.last + timedelta(days=1)
        return f"{self.table.fullname} where {self.cursor.column.name} in [{self.dates.first}, {end})"

    def restricted(self, select: sa.Select[Any]) -> sa.Select[Any]:
        """The days' rows in the order of the primary key, which makes `_line` the same each time."""
        import sqlalchemy as sa

        if self.cursor is not None:
            first, end = (self.cursor.bound(day) for day in (self.dates.first, self.dates.last + timedelta(days=1)))
            column = self.cursor.column
            if self.cursor.kind == "text":
                column = sa.type_coerce(column, sa.String())
            select = select.where(column >= first, column < end)
        return select.order_by(*self.table.primary_key.columns)


def plan(contract: Contract, database: Database, dates: DateRange, facts: dict[str, Any]) -> Query:
    """Look the table up. Raises MissingDataError where it is not there, SchemaChangedError where the cursor is not."""
    table = _table(contract.server.table, database, facts)
    columns = tuple(column.name for column in table.columns)
    check_names(columns, facts)
    return Query(table, columns, dates, _cursor(contract, database, table, facts))


def _table(qualified: str, database: Database, facts: dict[str, Any]) -> sa.Table:
    import sqlalchemy as sa

    schema, _, name = qualified.rpartition(".")
    engine = database.engine()
    try:
        with warnings.catch_warnings():  # types that SQLAlchemy does not know become text all the same
            warnings.simplefilter("ignore", sa.exc.SAWarning)
            table = sa.Table(name, sa.MetaData(), schema=schema or None, autoload_with=engine, resolve_fks=False)
        with engine.connect() as connection:  # no rows: a right that lacks is told here, with its code
            connection.execute(sa.select(*table.columns).where(sa.false()))
        return table
    except sa.exc.NoSuchTableError:
        raise MissingDataError(
            "the table is not there",
            **facts,
            database=database.shown,
            hint="Correct the table in the contract, or let this user see it.",
        ) from None
    finally:
        engine.dispose()


def _cursor(contract: Contract, database: Database, table: sa.Table, facts: dict[str, Any]) -> Cursor | None:
    options = contract.server.options
    wanted = options.get("cursor_column")
    if not wanted:
        return None
    found = find_column(str(wanted), table.columns.keys())
    if found is None:
        raise SchemaChangedError(
            "the cursor column is not in the table",
            **facts,
            column=wanted,
            missing=wanted,
            hint="Correct it in the contract; a new version may be due.",
        )
    column = table.columns[found]
    kind = str(options.get("cursor_type") or _kind(column.type))
    own = next((other.timezone for other in contract.columns if other.source_name == found), None)
    cursor = Cursor(
        column,
        kind,
        ZoneInfo(str(options.get("cursor_timezone") or own or contract.timezone)),
        ZoneInfo(contract.timezone),
    )
    return _checked(cursor, database.parts.get_backend_name(), facts)


def _kind(kind: sa.types.TypeEngine[Any]) -> str:
    import sqlalchemy as sa

    if isinstance(kind, sa.DateTime):
        return "timestamptz" if kind.timezone else "timestamp"
    return "date" if isinstance(kind, sa.Date) else "text"


def _checked(cursor: Cursor, backend: str, facts: dict[str, Any]) -> Cursor:
    """SQLite keeps moments as text, of which the begin is compared: that works for days of the cursor's zone."""
    from dataclasses import replace

    if cursor.kind not in KINDS:
        raise ContractError(f"there is no cursor type {cursor.kind!r}", **facts, hint=f"There are {', '.join(KINDS)}.")
    zone = ZoneInfo("UTC") if cursor.kind == "timestamptz" else cursor.zone
    as_text = cursor.kind == "text" or backend == "sqlite"
    if as_text and cursor.kind != "date" and zone.key != cursor.days_in.key:
        raise ContractError(
            "a cursor of text has the days of its own time zone only",
            **facts,
            column=cursor.column.name,
            hint=f"Write the contract's timezone as {zone.key}, or give the source a view with real timestamps.",
        )
    return replace(cursor, kind="text") if as_text else cursor
