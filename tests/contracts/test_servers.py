"""Where the data is: what each kind of server reads, and what it refuses."""
# ruff: noqa: E501 - a row of a table stays a line

from __future__ import annotations

from typing import Any

import pytest

from ddcrm.contracts.model import Server
from ddcrm.contracts.web import PAGINATORS
from tests.contracts.conftest import EXAMPLE, Load, Refuse, changed

FILES = "  - {server: files, type: local, path: 'sources/orders/{batch_date}/orders.csv', format: csv}\n"
SOURCE = "OrderNo, Line, CustNo, OrderTS, total_cents, channel"
APPEND = "{property: ddcrm.deliveryMode, value: append}"


def with_server(server: str, *custom: str, delivery: str = "corrections") -> str:
    """The example with another server and its custom properties."""
    entries = "".join(f"\n      - {entry}" for entry in custom)
    block = "  - " + server.replace(", ", "\n    ") + (f"\n    customProperties:{entries}" if custom else "") + "\n"
    return changed(FILES, block).replace("value: corrections", f"value: {delivery}")


def option(name: str, value: str) -> str:
    """A custom property of a server."""
    return f"{{property: ddcrm.{name}, value: {value}}}"


LOCAL = "server: s, type: local, path: 'a/{batch_date:%Y/%m/%d}.csv', format: csv"
API = "server: s, type: api, location: 'https://shop.example/api/'"
SQL = "server: s, type: postgresql, host: db.example, port: 5432, database: shop, schema: public"
SECRET = option("secret", "shop_url")


def test_csv_options(load: Load) -> None:
    text = with_server(
        LOCAL + ", encoding: iso-8859-1",
        option("csv.delimiter", "';'"), option("csv.quote", '"\'"'), option("csv.escape", "'\\'"),
        option("csv.header", "false"), option("csv.columns", f"[{SOURCE}, Rest]"), option("csv.skipRows", "3"),
        option("file.compression", "gzip"),
    )  # fmt: skip
    server = load(text).server
    assert (server.kind, server.format, server.path) == ("file", "csv", "a/{batch_date:%Y/%m/%d}.csv")
    assert server.options == {
        "delimiter": ";", "quote": "'", "escape": "\\", "encoding": "iso-8859-1", "header": False, "skip_rows": 3,
        "columns": ("OrderNo", "Line", "CustNo", "OrderTS", "total_cents", "channel", "Rest"), "compression": "gzip",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("word", "character"), [("tab", "\t"), ("whitespace", "whitespace"), ("'|'", "|"), ("','", ",")]
)
def test_delimiters(load: Load, word: str, character: str) -> None:
    assert load(with_server(LOCAL, option("csv.delimiter", word))).server.options == {"delimiter": character}


def test_file_without_quotes(load: Load) -> None:
    assert load(with_server(LOCAL, option("csv.quote", "none"))).server.options == {"quote": ""}


@pytest.mark.parametrize("form", ["csv", "json", "jsonl", "parquet"])
def test_formats(load: Load, form: str) -> None:
    assert load(with_server(LOCAL.replace("format: csv", f"format: {form}"))).server.format == form


def test_rows_picked_by_a_date_column(load: Load) -> None:
    whole = LOCAL.replace("a/{batch_date:%Y/%m/%d}.csv", "all.csv")
    custom = (option("file.partitionColumn", "OrderTS"), option("file.partitionFormat", "M/d/yyyy H:mm"))
    assert load(with_server(whole, *custom, delivery="append")).server.options == {
        "partition_column": "OrderTS", "partition_format": "M/d/yyyy H:mm"
    }  # fmt: skip
    assert "partition_format" not in load(with_server(whole, custom[0])).server.options


def test_remote_file(load: Load) -> None:
    remote = "server: s, type: s3, location: 's3://bucket/{batch_date}/orders.parquet', format: parquet"
    server = load(with_server(remote, SECRET)).server
    assert server == Server("file", "parquet", "s3://bucket/{batch_date}/orders.parquet", secret="shop_url")


def test_database(load: Load) -> None:
    text = with_server(
        SQL,
        SECRET,
        option("sql.cursorColumn", "OrderTS"),
        option("sql.cursorTimezone", "Europe/Berlin"),
        option("sql.cursorType", "timestamp"),
    )
    assert load(text).server == Server(
        "sql", table="public.orders", secret="shop_url",
        options={"schema": "public", "cursor_column": "OrderTS", "cursor_timezone": "Europe/Berlin", "cursor_type": "timestamp"},
    )  # fmt: skip


def test_any_database_by_the_name_of_its_url(load: Load) -> None:
    text = with_server("server: s, type: custom", SECRET).replace(
        "physicalName: orders\n", "physicalName: shop.order_lines\n"
    )
    assert load(text).server == Server("sql", table="shop.order_lines", secret="shop_url")


def test_http_service(load: Load) -> None:
    text = with_server(
        API,
        option("http.path", "'/v1/orders/{batch_date}'"),
        option("http.params", "{since: '{batch_date}', until: '{next_date:%Y%m%d}', limit: 500, open: true}"),
        option("http.dataSelector", "data.items"),
        option("http.paginator", "{type: offset, limit: 500, total_path: null, stop_after_empty_page: true}"),
        option("http.auth", "{type: bearer, secret: shop-token}"),
        option("http.maxRetries", "4"),
        option("http.timeoutSeconds", "20"),
        option("http.backoffSeconds", "0.5"),
        delivery="append",
    )
    assert load(text).server == Server(
        "http", location="https://shop.example/api", secret="shop-token",
        options={
            "path": "/v1/orders/{batch_date}",
            "params": {"since": "{batch_date}", "until": "{next_date:%Y%m%d}", "limit": 500, "open": True},
            "data_selector": "data.items", "max_retries": 4, "timeout_seconds": 20, "backoff_seconds": 0.5,
            "paginator": {"type": "offset", "limit": 500, "total_path": None, "stop_after_empty_page": True},
            "auth": {"type": "bearer", "secret": "shop-token"},
        },
    )  # fmt: skip


@pytest.mark.parametrize(
    ("auth", "read"),
    [
        ("{type: basic, username: crm, secret: pw}", {"type": "basic", "username": "crm", "secret": "pw"}),
        ("{type: api_key, name: X-Key, secret: pw}", {"type": "api_key", "name": "X-Key", "secret": "pw", "location": "header"}),
        ("{type: api_key, name: k, secret: pw, location: query}", {"type": "api_key", "name": "k", "secret": "pw", "location": "query"}),
    ],
)  # fmt: skip
def test_authentication(load: Load, auth: str, read: dict[str, Any]) -> None:
    assert load(with_server(API, option("http.auth", auth))).server.options["auth"] == read


def test_paginators_are_those_of_dlt() -> None:
    import inspect

    from dlt.sources.rest_api.config_setup import PAGINATOR_MAP

    assert PAGINATORS
    for name, keys in PAGINATORS.items():
        assert set(keys) <= set(inspect.signature(PAGINATOR_MAP[name]).parameters), name


@pytest.mark.parametrize(
    ("server", "custom", "message"),
    [
        (LOCAL, [option("csv.delimiter", "';;'")], "must be one character, or 'tab', or 'whitespace'"),
        (LOCAL, [option("csv.quote", "','")], "the delimiter is the quote or the escape, too"),
        (LOCAL, [option("csv.delimiter", "whitespace"), option("csv.quote", "'x'")], "can't be quoted"),
        (SQL, [SECRET, option("sql.cursorType", "date")], "says nothing without ddcrm.sql.cursorColumn"),
        (SQL, [SECRET, option("sql.cursorColumn", "OrderTS"), option("sql.cursorType", "time")], "none of timestamptz"),
        (LOCAL, [option("csv.escape", "''")], "must be one character, not nothing"),
        (LOCAL, [option("csv.header", "'no'")], "must be true or false"),
        (LOCAL, [option("csv.header", "false")], "a file without a header has its columns named"),
        (LOCAL, [option("csv.columns", "[a]")], "a file without a header has its columns named"),
        (LOCAL, [option("csv.header", "false"), option("csv.columns", "[OrderNo]")], "lacks the column 'Line'"),
        (LOCAL, [option("csv.skipRows", "-1")], "must be a whole number, 0 or more"),
        (LOCAL, [option("csv.delimeter", "';'")], "there is no custom property 'ddcrm.csv.delimeter'"),
        (LOCAL, [option("csv.encoding", "utf-8")], "The standard has a key for it: encoding"),
        (LOCAL, [option("file.compression", "zip")], "'zip' is none of auto, gzip, zstd, none"),
        (LOCAL, [option("file.partitionColumn", "Day")], "'Day' is no column of the source"),
        (LOCAL, [option("file.partitionFormat", "yyyy-MM-dd")], "says nothing without ddcrm.file.partitionColumn"),
        (LOCAL, [option("file.partitionColumn", "OrderTS"), option("file.partitionFormat", "yyyy-MM")], "has no day"),
        (LOCAL, [option("http.path", "/x")], "ddcrm.http.path says nothing for a server of type local"),
        (LOCAL.replace("format: csv", "format: avro"), [], "format 'avro' is none of csv, json, jsonl, parquet"),
        (LOCAL.replace("format: csv", "format: jsonl"), [option("csv.quote", "'x'")], "says nothing for the format jsonl"),
        (LOCAL.replace("{batch_date:%Y/%m/%d}", "{day}"), [], "there is no placeholder {day}"),
        (LOCAL.replace("{batch_date:%Y/%m/%d}", "{batchdate}"), [], "Did you mean 'batch_date'?"),
        (LOCAL.replace("{batch_date:%Y/%m/%d}", "{next_date}"), [], "there is no placeholder {next_date}"),
        (LOCAL.replace("{batch_date:%Y/%m/%d}", "{batch_date:%Y/%Q}"), [], "is not a format of a day"),
        (LOCAL.replace("{batch_date:%Y/%m/%d}", "{batch_date:yyyy}/{batch_date:%H}"), [], "'%H' is not a format of a day"),
        (LOCAL.replace("{batch_date:%Y/%m/%d}", "{batch_date!r}"), [], "there is no placeholder"),
        (LOCAL.replace("{batch_date:%Y/%m/%d}", "{batch_date"), [], "a brace"),
        (LOCAL + ", encoding: latin-99", [], "there is no encoding 'latin-99'"),
        (SQL, [], "the database's URL is not named"),
        (SQL, [SECRET, option("sql.cursorColumn", "updated_at")], "'updated_at' is no column of the source"),
        (SQL, [SECRET, option("sql.cursorTimezone", "UTC")], "says nothing without ddcrm.sql.cursorColumn"),
        ("server: s, type: kafka, host: 'k:9092'", [], "ddcrm does not read from kafka"),
        (API.replace("https:", "ftp:"), [], "is not an address"),
        (API, [SECRET], "ddcrm.secret says nothing for a server of type api"),
        (API, [option("http.params", "[a]")], "must be a mapping of names to values"),
        (API, [option("http.params", "{a: [1]}")], "the parameter a must be text, a number, true or false, not a list"),
        (API, [option("http.params", "{a: '{batchdate}'}")], "there is no placeholder {batchdate}"),
        (API, [option("http.paginator", "offset")], "must be a mapping"),
        (API, [option("http.paginator", "{type: pages}")], "type 'pages' is none of single_page, offset"),
        (API, [option("http.paginator", "{type: offset}")], "needs a limit"),
        (API, [option("http.paginator", "{type: offset, limit: '10'}")], "limit must be a whole number"),
        (API, [option("http.paginator", "{type: page_number, limit: 10}")], "has no key 'limit'"),
        (API, [option("http.paginator", "{type: cursor, cursor_pth: a}")], "Did you mean 'cursor_path'?"),
        (API, [option("http.auth", "{type: digest, secret: a}")], "'digest' is none of bearer, basic, api_key"),
        (API, [option("http.auth", "{type: bearer}")], "secret is not the name of a secret"),
        (API, [option("http.auth", "{type: basic, secret: a}")], "username must be text"),
        (API, [option("http.auth", "{type: api_key, secret: a}")], "name must be text"),
        (API, [option("http.auth", "{type: bearer, secret: a, name: b}")], "has no key 'name'"),
        (API, [option("http.maxRetries", "many")], "must be a whole number"),
        (API, [option("http.timeoutSeconds", "0")], "must be a whole number, 1 or more"),
    ],
)  # fmt: skip
def test_servers_that_are_not_sound(refuse: Refuse, server: str, custom: list[str], message: str) -> None:
    text = with_server(server, *custom)
    error = refuse(text)
    assert message in str(error)
    end = text.index("schema:\n  - name")
    assert text.count("\n", 0, text.index("servers:")) + 1 <= error.line <= text.count("\n", 0, end)


@pytest.mark.parametrize(
    ("server", "custom"),
    [(LOCAL.replace("{batch_date:%Y/%m/%d}", "all"), []), (SQL, [SECRET]), (API, [option("http.params", "{a: b}")])],
)
def test_append_needs_something_that_tells_days_apart(
    load: Load, refuse: Refuse, server: str, custom: list[str]
) -> None:
    assert "nothing tells one day's rows from another's" in str(refuse(with_server(server, *custom, delivery="append")))
    assert load(with_server(server, *custom, delivery="snapshot")).delivery == "snapshot"


@pytest.mark.parametrize(
    "servers", ["servers: []\n", "servers:\n" + FILES + FILES.replace("server: files", "server: more")]
)
def test_a_contract_has_one_server(refuse: Refuse, servers: str) -> None:
    assert "a contract has one server" in str(refuse(changed("servers:\n" + FILES, servers)))


def test_contract_without_servers_is_refused(refuse: Refuse) -> None:
    assert "a contract has one server, this one has 0" in str(refuse(EXAMPLE.replace("servers:\n" + FILES, "")))
