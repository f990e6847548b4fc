"""A database that refuses or does not answer: the right kind of error, and no password in it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from ddcrm.contracts.model import Server
from ddcrm.errors import DdcrmError, MissingDataError, SettingsError, SourceAuthError, SourceUnavailableError
from ddcrm.settings import Settings
from ddcrm.warehouse.embedded import EmbeddedPostgres
from tests.sources.support import contract, read_all

HIDDEN = "horse battery"


def failure(monkeypatch: pytest.MonkeyPatch, url: str, kind: type[DdcrmError], table: str = "orders") -> Any:
    """The error of reading from `url`; checks that the password is not in it."""
    monkeypatch.setenv("DDCRM_SECRET_SHOP_DB", url)
    with pytest.raises(kind) as caught:
        read_all(contract(Server("sql", table=table, secret="shop-db")), Settings())
    shown = f"{caught.value}{caught.value.as_dict()}"
    assert HIDDEN not in shown
    assert quote(HIDDEN) not in shown
    assert caught.value.hint
    assert caught.value.__cause__ is None
    return caught.value


def url(server: EmbeddedPostgres, user: str, password: str, database: str = "postgres") -> str:
    """The URL of a database for a user with a password."""
    return f"postgresql://{user}:{quote(password)}@/{database}?host={quote(str(server.socket_dir))}"


def test_a_password_that_is_refused(locked_postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    error = failure(monkeypatch, url(locked_postgres, "reader", HIDDEN), SourceAuthError)
    assert error.message == "the database refuses the login"
    assert (error.source, error.table) == ("shop", "orders")
    assert "shop-db" in str(error.hint)
    assert not error.retryable


def test_a_role_that_is_not_there(locked_postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    assert failure(monkeypatch, url(locked_postgres, "nobody", HIDDEN), SourceAuthError).table == "orders"


def test_the_right_password_and_a_table_that_may_not_be_read(
    locked_postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = failure(monkeypatch, url(locked_postgres, "reader", "correct horse"), SourceAuthError, "secrets")
    assert found.sqlstate == "42501"
    assert found.message == "the database user may not read the table"


def test_a_database_that_is_not_there(locked_postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    found = failure(monkeypatch, url(locked_postgres, "postgres", HIDDEN, "nowhere"), MissingDataError)
    assert found.message == "there is no such database"


def test_a_server_that_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # nobody listens there
        port = unused.getsockname()[1]
        error = failure(monkeypatch, f"postgresql://me:{quote(HIDDEN)}@127.0.0.1:{port}/shop", SourceUnavailableError)
    assert error.retryable
    assert error.database == f"postgresql://127.0.0.1:{port}/shop"
    assert error.reason == "connection refused"
    failure(monkeypatch, f"postgresql://me:{quote(HIDDEN)}@/shop?host={tmp_path}", SourceUnavailableError)


def test_a_file_that_is_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert failure(monkeypatch, f"sqlite:///{tmp_path}/no/folder/shop.db", MissingDataError).source == "shop"
    (tmp_path / "shop.db").write_text("Anna" * 1000)
    assert "Anna" not in str(failure(monkeypatch, f"sqlite:///{tmp_path}/shop.db", DdcrmError))


@pytest.mark.parametrize("text", [f"{HIDDEN}", f"://me:{HIDDEN}@host", f"nosuch://me:{HIDDEN}@host/shop"])
def test_a_url_that_is_none(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    assert not failure(monkeypatch, text, SettingsError).retryable


def test_a_driver_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    error = failure(monkeypatch, f"mysql+nosuchdriver://me:{HIDDEN}@host/shop", SettingsError)
    assert "not installed" in str(error)


def test_a_secret_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DDCRM_SECRET_SHOP_DB", raising=False)
    with pytest.raises(SettingsError, match="DDCRM_SECRET_SHOP_DB"):
        read_all(contract(Server("sql", table="orders", secret="shop-db")), Settings())
