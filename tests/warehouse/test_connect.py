"""Connections: which URLs are taken, what is shown of them, and how a warehouse that is not to be had is reported."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg.sql import Literal
from sqlalchemy import text
from sqlalchemy.engine import make_url

from ddcrm.errors import SettingsError, WarehouseError, WarehouseUnavailableError
from ddcrm.settings import Settings
from ddcrm.warehouse.connect import Warehouse
from ddcrm.warehouse.embedded import EmbeddedPostgres

SECRET = "sEcr3t-Passw0rd"
STRANGE = "it's a \\ p@ss/w%rd: ?&#"


def _ping(warehouse: Warehouse) -> None:
    warehouse.ping()


def _adbc(warehouse: Warehouse) -> None:
    with warehouse.adbc():
        pass


def _session(warehouse: Warehouse) -> None:
    with warehouse.session():
        pass


WAYS = pytest.mark.parametrize("connect", [_ping, _adbc, _session])
Connect = Callable[[Warehouse], None]


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2"])
def test_any_postgresql_url_is_taken(postgres_url: str, scheme: str) -> None:
    with Warehouse(postgres_url.replace("postgresql+psycopg", scheme)) as warehouse:
        warehouse.ping()
        assert warehouse.engine.dialect.driver == "psycopg"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://me:{0}@host/db", "must be a PostgreSQL, not 'mysql'"),
        ("sqlite:///file.db", "must be a PostgreSQL, not 'sqlite'"),
        ("no url {0}", "can't be read"),
        ("postgresql://me:{0}@host:port/db", "can't be read"),
        ("postgresql://me:{0}@host", "names no database"),
    ],
)
def test_other_urls_are_refused_without_showing_them(url: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        Warehouse.open(Settings(warehouse_url=url.format(SECRET)))
    assert "DDCRM_WAREHOUSE_URL" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_the_password_is_in_the_url_and_nowhere_else() -> None:
    url = f"postgresql://me:{SECRET}@db.example:5433/crm?sslmode=require&sslpassword={SECRET}"
    warehouse = Warehouse(url)
    assert make_url(warehouse.url).password == SECRET
    assert warehouse.display_url == "postgresql://me@db.example:5433/crm?sslmode=require"
    assert SECRET not in warehouse.psql
    assert SECRET not in repr(warehouse.engine)
    assert warehouse.psql == "psql 'host=db.example dbname=crm user=me port=5433 sslmode=require'"


def test_a_url_without_user_or_password_is_shown_as_it_is() -> None:
    assert Warehouse("postgresql:///crm?host=/run/postgresql").display_url == "postgresql:///crm?host=/run/postgresql"


def test_the_embedded_one_is_started_and_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    state = Path(tempfile.mkdtemp(prefix="ddcrm-connect-"))
    settings = Settings(state_dir=state)
    with Warehouse.open(settings) as warehouse:
        with warehouse.begin() as connection:
            connection.execute(text("CREATE TABLE kept AS SELECT 42 AS answer"))
            assert connection.execute(text("SELECT current_database()")).scalar() == "ddcrm"
        assert str(state) in warehouse.display_url
    with pytest.raises(WarehouseUnavailableError):
        Warehouse(warehouse.url).ping()
    with Warehouse.open(settings) as warehouse, warehouse.begin() as connection:
        assert connection.execute(text("SELECT answer FROM kept")).scalar() == 42
    shutil.rmtree(state)


def test_the_psql_line_works_in_a_shell(postgres_server: EmbeddedPostgres, postgres_url: str) -> None:
    warehouse = Warehouse(postgres_url, postgres_server)
    done = subprocess.run(f"{warehouse.psql} -Atc 'SELECT 6 * 7'", shell=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("42\n", "")


def test_a_transaction_is_undone_by_an_error(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError, match="division by zero"):
        _create_and_fail(warehouse)
    with warehouse.begin() as connection:
        assert connection.execute(text("SELECT to_regclass('gone')")).scalar() is None


def _create_and_fail(warehouse: Warehouse) -> None:
    with warehouse.begin() as connection:
        connection.execute(text("CREATE TABLE gone (n int)"))
        connection.execute(text("SELECT 1 / 0"))


def test_adbc_cursors_left_open_do_no_harm(warehouse: Warehouse) -> None:
    with warehouse.adbc() as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT generate_series(1, 100000) AS n")
        assert next(iter(cursor.fetch_record_batch())).num_rows > 0
    warehouse.ping()


# not to be had


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as bound:  # bound, not listening: refused
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@WAYS
def test_nobody_listens(closed_port: int, connect: Connect) -> None:
    with pytest.raises(WarehouseUnavailableError) as caught:
        connect(Warehouse(f"postgresql://me:{SECRET}@127.0.0.1:{closed_port}/crm"))
    assert caught.value.retryable
    _check_text(caught.value, "does not answer", f"127.0.0.1:{closed_port}", "Start it")


@WAYS
def test_no_socket(connect: Connect) -> None:
    with pytest.raises(WarehouseUnavailableError) as caught:
        connect(Warehouse(f"postgresql://me:{SECRET}@/crm?host=/nowhere"))
    _check_text(caught.value, "No such file or directory", "/nowhere", "Start it")


@WAYS
def test_a_host_that_accepts_and_says_nothing(connect: Connect) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        port = silent.getsockname()[1]
        with pytest.raises(WarehouseUnavailableError) as caught:
            connect(Warehouse(f"postgresql://me:{SECRET}@127.0.0.1:{port}/crm?connect_timeout=2"))
    _check_text(caught.value, "timeout", "does not answer")


@WAYS
def test_an_unknown_role(postgres_url: str, connect: Connect) -> None:
    with pytest.raises(WarehouseError) as caught:
        connect(Warehouse(postgres_url.replace("postgres@", f"nobody_known:{SECRET}@")))
    assert not caught.value.retryable
    _check_text(caught.value, "knows no such user", "nobody_known@")


@WAYS
def test_an_unknown_database(postgres_url: str, connect: Connect) -> None:
    with pytest.raises(WarehouseError) as caught:
        connect(Warehouse(make_url(postgres_url).set(database="nix").render_as_string(hide_password=False)))
    assert not caught.value.retryable
    _check_text(caught.value, "no such database")


@pytest.fixture
def locked(postgres_server: EmbeddedPostgres, postgres_url: str) -> Iterator[str]:
    """The URL, without its password, of a role that needs one."""
    hba = postgres_server.folder / "data" / "pg_hba.conf"
    before = hba.read_text()
    hba.write_text(f"local all locked scram-sha-256\n{before}")
    with psycopg.connect(Warehouse(postgres_url).conninfo, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE locked LOGIN PASSWORD {Literal(STRANGE).as_string(admin)}")
        admin.execute("SELECT pg_reload_conf()")
        yield postgres_url.replace("postgres@", "locked@")
        hba.write_text(before)
        admin.execute("SELECT pg_reload_conf()")
        admin.execute("DROP ROLE locked")


@pytest.mark.xdist_group("postgres_roles")
def test_a_password_that_is_wrong_missing_or_right(locked: str) -> None:
    for connect in (_ping, _adbc, _session):
        connect(Warehouse(locked.replace("locked@", f"locked:{quote(STRANGE, safe='')}@")))
        for given in (":another", ""):
            with pytest.raises(WarehouseError) as caught:
                connect(Warehouse(locked.replace("locked@", f"locked{given}@")))
            assert not caught.value.retryable
            _check_text(caught.value, "refuses the user or its password", "locked@", "DDCRM_WAREHOUSE_URL")
            assert "another" not in str(caught.value)


def _lose_transaction(warehouse: Warehouse) -> None:
    with warehouse.begin() as connection:
        _terminate(warehouse, connection.execute(text("SELECT pg_backend_pid()")).scalar())
        connection.execute(text("SELECT 1"))


def _lose_session(warehouse: Warehouse) -> None:
    with warehouse.session() as connection:
        _terminate(warehouse, connection.execute("SELECT pg_backend_pid()").fetchone()[0])
        connection.execute("SELECT 1")


def _lose_adbc(warehouse: Warehouse) -> None:
    with warehouse.adbc() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        _terminate(warehouse, cursor.fetchone()[0])
        cursor.execute("SELECT 1")


def _terminate(warehouse: Warehouse, pid: int) -> None:
    with psycopg.connect(warehouse.conninfo, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


@pytest.mark.parametrize("lose", [_lose_transaction, _lose_session, _lose_adbc])
def test_a_connection_that_is_lost_is_unavailable(warehouse: Warehouse, lose: Connect) -> None:
    with pytest.raises(WarehouseUnavailableError) as caught:
        lose(warehouse)
    _check_text(caught.value, "was lost")
    warehouse.ping()


def _check_text(error: WarehouseError, *parts: str) -> None:
    for part in parts:
        assert part in str(error)
    assert SECRET not in f"{error}{error!r}{error.as_dict()}"
    assert error.__cause__ is None
