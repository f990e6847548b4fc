"""The shop's database: a table with every version of every customer, in PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ddcrm.demo.clock import moments
from ddcrm.demo.files import csv_bytes
from ddcrm.demo.parameters import Company
from ddcrm.errors import MissingDataError

if TYPE_CHECKING:
    from sqlalchemy import URL

DATABASE = "shop"
CUSTOMERS_FILE = "shop/customers.csv"
TABLE = "customer_versions"
COLUMNS = {
    "customer_no": "text NOT NULL", "full_name": "text", "email": "text", "phone": "text", "born_on": "date",
    "gender": "text", "city": "text", "country": "text", "registered_at": "timestamptz NOT NULL",
    "source_channel": "text", "newsletter": "boolean", "updated_at": "timestamptz NOT NULL",
}  # fmt: skip


def customer_rows(company: Company, states: pd.DataFrame) -> list[str]:
    """The versions as lines of CSV in the order of the table's columns; an empty field is NULL."""
    pattern = "%Y-%m-%d %H:%M:%S+00"
    frame = states.assign(
        registered_at=moments(company, states["registered"], states["registered_second"])
        .dt.strftime(pattern)
        .to_numpy(),
        updated_at=moments(company, states["changed"], states["second"]).dt.strftime(pattern).to_numpy(),
        newsletter=states["newsletter"].map({True: "t", False: "f"}),
    )
    text = frame[list(COLUMNS)].astype(object)
    return csv_bytes()(text.where(text.notna(), "")).decode().splitlines()


def load_shop_database(url: str, folder: Path, database: str = DATABASE) -> str:
    """Load the shop's customers into `database` on the server of `url`, made if need be; returns the database's URL.

    `url` is SQLAlchemy's, of a role that may create databases; `folder` is the one that `make` wrote. The table is
    replaced in one transaction. Raises MissingDataError where the company was not made.
    """
    from sqlalchemy import make_url

    path = Path(folder) / "sources" / CUSTOMERS_FILE
    if not path.is_file():
        raise MissingDataError("the demo company was not made yet", file=str(path), hint="Call ddcrm.demo.make first.")
    server = make_url(url)
    _create_database(server, database)
    shop = server.set(database=database)
    _load(shop, path)
    return shop.render_as_string(hide_password=False)


def _conninfo(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def _create_database(server: URL, database: str) -> None:
    import psycopg
    from psycopg import errors, sql

    with psycopg.connect(_conninfo(server), autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone()
        if not known:
            try:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
            except (errors.DuplicateDatabase, errors.UniqueViolation):  # somebody else was faster
                return


def _load(shop: URL, path: Path) -> None:
    import psycopg
    from psycopg import sql

    table = sql.Identifier(TABLE)
    columns = sql.SQL(", ").join(sql.SQL("{} " + kind).format(sql.Identifier(name)) for name, kind in COLUMNS.items())
    with psycopg.connect(_conninfo(shop)) as connection:
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table))
        connection.execute(
            sql.SQL("CREATE TABLE {} ({}, PRIMARY KEY (customer_no, updated_at))").format(table, columns)
        )
        connection.execute(sql.SQL("CREATE INDEX ON {} (updated_at)").format(table))
        copy = sql.SQL("COPY {} FROM STDIN WITH (FORMAT csv, HEADER true)").format(table)
        with connection.cursor().copy(copy) as stream:
            stream.write(path.read_bytes())
