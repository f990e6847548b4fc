"""The shop's database in a real PostgreSQL: loaded once or twice, it holds what the file holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import psycopg
import pytest
from sqlalchemy import create_engine, text

from ddcrm.demo import load_shop_database
from ddcrm.errors import MissingDataError
from ddcrm.warehouse.embedded import EmbeddedPostgres


@pytest.fixture
def shop(postgres_server: EmbeddedPostgres, small: Path) -> Iterator[str]:
    """The URL of a shop's database that was not there before."""
    server = postgres_server.url()
    name = f"shop_{abs(hash(str(small))) % 10**9}"
    yield load_shop_database(server, small, name)
    with create_engine(server, isolation_level="AUTOCOMMIT").connect() as admin:
        admin.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return found


def test_the_table_holds_what_the_file_holds(shop: str, small: Path) -> None:
    file = f"read_csv('{small}/sources/shop/customers.csv', all_varchar = true)"
    names = "customer_no, full_name, email, phone, gender, city, country, source_channel"
    stored = rows(shop, f"SELECT {names}, to_char(born_on, 'YYYY-MM-DD'), newsletter, "
                        "to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') FROM customer_versions "
                        "ORDER BY customer_no, updated_at")  # fmt: skip
    wanted = duckdb.sql(f"SELECT {names}, born_on, CAST(newsletter AS BOOLEAN), left(updated_at, 19) FROM {file} "
                        "ORDER BY customer_no, updated_at").fetchall()  # fmt: skip
    assert len(stored) > 60
    assert stored == wanted


def test_loading_again_replaces_the_rows(shop: str, small: Path) -> None:
    before = rows(shop, "SELECT count(*), count(DISTINCT customer_no) FROM customer_versions")
    assert load_shop_database(shop, small, shop.rpartition("/")[2].partition("?")[0]) == shop
    assert rows(shop, "SELECT count(*), count(DISTINCT customer_no) FROM customer_versions") == before


def test_versions_have_the_types_and_keys_of_a_shop(shop: str) -> None:
    kinds = dict(rows(shop, "SELECT column_name, data_type FROM information_schema.columns "
                            "WHERE table_name = 'customer_versions'"))  # fmt: skip
    assert (kinds["born_on"], kinds["newsletter"]) == ("date", "boolean")
    assert kinds["updated_at"] == kinds["registered_at"] == "timestamp with time zone"
    with pytest.raises(psycopg.errors.UniqueViolation), psycopg.connect(_conninfo(shop)) as connection:
        connection.execute("INSERT INTO customer_versions SELECT * FROM customer_versions LIMIT 1")


def _conninfo(url: str) -> str:
    return url.replace("postgresql+psycopg", "postgresql")


def test_a_company_that_was_not_made_is_an_error(postgres_server: EmbeddedPostgres, tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="not made yet"):
        load_shop_database(postgres_server.url(), tmp_path, "nowhere")
