"""Servers of a contract: a file, a database or an HTTP service, with the options that belong to each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from ddcrm.contracts import values
from ddcrm.contracts.custom import PREFIX, custom_properties
from ddcrm.contracts.document import Place
from ddcrm.contracts.model import Contract, Delivery, Server
from ddcrm.contracts.patterns import check_placeholders, has_day
from ddcrm.contracts.web import auth, data_selector, paginator, parameters, path

Kind = Literal["file", "sql", "http"]

_FORMATS = ("csv", "json", "jsonl", "parquet")
_DIALECT = (("delimiter", ","), ("quote", '"'), ("escape", '"'))
_COMPRESSIONS = ("auto", "gzip", "zstd", "none")
_CURSORS = ("timestamptz", "timestamp", "date", "text")
_REMOTE = ("s3", "azure", "sftp")
_NO_SOURCE = ("kafka", "kinesis", "pubsub", "fastobjects", "poet", "versant", "btrieve", "iceberg")


def _character(place: Place, words: dict[str, str] | None = None) -> str:
    """One character, or a word that stands for something else."""
    value, words = place.value, words or {}
    if isinstance(value, str) and (value in words or (len(value) == 1 and value not in "\r\n")):
        return words.get(value, value)
    allowed = "".join(f", or {word!r}" for word in words)
    raise place.error(f"{values.label(place)} must be one character{allowed}, not {values.shown(value)}")


# the custom property, its kind of server, and how its value is read; the option is its last name in snake case
_OPTIONS: dict[str, tuple[Kind, Callable[[Place], Any]]] = {
    "csv.delimiter": ("file", partial(_character, words={"tab": "\t", "whitespace": "whitespace"})),
    "csv.quote": ("file", partial(_character, words={"none": ""})),
    "csv.escape": ("file", _character),
    "csv.header": ("file", values.flag),
    "csv.columns": ("file", values.texts),
    "csv.skipRows": ("file", values.whole),
    "file.compression": ("file", lambda place: values.one_of(place, _COMPRESSIONS)),
    "file.partitionColumn": ("file", values.text),
    "file.partitionFormat": ("file", values.day_pattern),
    "sql.cursorColumn": ("sql", values.text),
    "sql.cursorTimezone": ("sql", values.timezone),
    "sql.cursorType": ("sql", lambda place: values.one_of(place, _CURSORS)),
    "http.path": ("http", path),
    "http.params": ("http", parameters),
    "http.dataSelector": ("http", data_selector),
    "http.paginator": ("http", paginator),
    "http.auth": ("http", auth),
    "http.maxRetries": ("http", values.whole),
    "http.timeoutSeconds": ("http", partial(values.whole, minimum=1)),
    "http.backoffSeconds": ("http", values.number),
}


def build_server(servers: Place, table: str, contract: Contract) -> Server:
    """The one server of a contract whose columns are known; `table` is the schema's physical name."""
    places = list(servers)
    if len(places) != 1:
        raise servers.error(f"a contract has one server, this one has {len(places)}", "Write one entry under servers.")
    place = places[0]
    kind = _kind(place)
    custom = custom_properties(place)
    options = _options(place, custom, kind)
    secret = values.secret_name(custom["secret"]) if "secret" in custom else None
    if kind == "file":
        server = _file(place, options, secret)
    elif kind == "sql":
        server = _sql(place, table, options, secret)
    else:
        server = _http(place, options, secret)
    _check_columns(custom, server, contract.source_columns)
    _check_append(place, server, contract.delivery)
    return server


def _kind(place: Place) -> Kind:
    type_ = str((place / "type").value)
    if type_ in _NO_SOURCE:
        raise (place / "type").error(
            f"ddcrm does not read from {type_}", "It reads files, SQL databases and HTTP services."
        )
    return "file" if type_ in ("local", *_REMOTE) else "http" if type_ == "api" else "sql"


def _options(place: Place, custom: dict[str, Place], kind: Kind) -> dict[str, Any]:
    """The custom properties as options in snake case: csv.skipRows becomes skip_rows."""
    found = {}
    for name, entry in custom.items():
        if name == "secret":
            continue
        home, read = _OPTIONS[name]
        if home != kind:
            raise entry.error(f"{PREFIX}{name} says nothing for a server of type {(place / 'type').value}")
        if name.startswith("csv.") and (place / "format").value != "csv":
            raise entry.error(f"{PREFIX}{name} says nothing for the format {(place / 'format').value}")
        found[_snake(name.rpartition(".")[2])] = read(entry)
    return found


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _file(place: Place, options: dict[str, Any], secret: str | None) -> Server:
    where = place / ("path" if (place / "type").value == "local" else "location")
    values.text(where)
    if (place / "encoding").value is not None:
        options["encoding"] = values.encoding(place / "encoding")
    if (options.get("header", True) is False) != ("columns" in options):
        hint = "Write ddcrm.csv.header: false and list the names in ddcrm.csv.columns, or neither."
        raise place.error("a file without a header has its columns named, one with a header has not", hint)
    _check_dialect(place, options)
    if "partition_format" in options and "partition_column" not in options:
        raise place.error("ddcrm.file.partitionFormat says nothing without ddcrm.file.partitionColumn")
    form, path_ = values.one_of(place / "format", _FORMATS), check_placeholders(where, ("batch_date",))
    return Server("file", format=form, path=path_, secret=secret, options=options)


def _check_dialect(place: Place, options: dict[str, Any]) -> None:
    """Delimiter and quote differ, and the escape from the delimiter; runs of blanks can't be quoted."""
    delimiter, quote, escape = (options.get(name, default) for name, default in _DIALECT)
    if delimiter == "whitespace" and options.get("quote"):
        raise place.error("fields between runs of blanks can't be quoted", "Leave ddcrm.csv.quote away.")
    if delimiter in (quote, escape):
        raise place.error("the delimiter is the quote or the escape, too", "Each is a character of its own.")


def _sql(place: Place, table: str, options: dict[str, Any], secret: str | None) -> Server:
    if secret is None:
        raise place.error(
            "the database's URL is not named",
            "Add the custom property ddcrm.secret: the name of the secret that holds it.",
        )
    if "cursor_column" not in options and {"cursor_timezone", "cursor_type"} & set(options):
        raise place.error("the cursor's time zone or type says nothing without ddcrm.sql.cursorColumn")
    schema = (place / "schema").value
    if schema and "." not in table:
        options["schema"] = str(schema)
        table = f"{schema}.{table}"
    return Server("sql", table=table, secret=secret, options=options)


def _http(place: Place, options: dict[str, Any], secret: str | None) -> Server:
    location = place / "location"
    if not values.text(location).startswith(("http://", "https://")):
        raise location.error(
            f"the location {location.value!r} is not an address", "It begins with https:// (or http://)."
        )
    named = options.get("auth", {}).get("secret")
    if secret is not None:
        raise place.error("ddcrm.secret says nothing for a server of type api", "Name the secret in ddcrm.http.auth.")
    return Server("http", location=str(location.value).rstrip("/"), secret=named, options=options)


def _check_columns(custom: dict[str, Place], server: Server, columns: tuple[str, ...]) -> None:
    """Columns that options name must be the source's; a list of all of them must have those that properties read."""
    listed = server.options.get("columns")
    if listed is not None:
        missing = [name for name in columns if name.lower() not in {other.lower() for other in listed}]
        if missing:
            raise custom["csv.columns"].error(
                f"ddcrm.csv.columns lacks the column {missing[0]!r} that a property reads"
            )
    for option, name in (("partition_column", "file.partitionColumn"), ("cursor_column", "sql.cursorColumn")):
        column = server.options.get(option)
        if column is not None and column.lower() not in {other.lower() for other in (*columns, *(listed or ()))}:
            raise custom[name].error(f"{PREFIX}{name} {column!r} is no column of the source",
                                     "Map it with a property, or list it in ddcrm.sourceColumns.")  # fmt: skip


def _check_append(place: Place, server: Server, delivery: Delivery) -> None:
    """With `append` nothing replaces what came before: the same rows every day would add up."""
    options = server.options
    days = (server.path, options.get("path"), *options.get("params", {}).values())
    by_day = any(map(has_day, days)) or "partition_column" in options or "cursor_column" in options
    if delivery == "append" and not by_day:
        raise place.error(
            "the delivery mode is append, and nothing tells one day's rows from another's",
            "Put {batch_date} into the path or the parameters, name a partition or cursor column, or write "
            "ddcrm.deliveryMode: snapshot.")  # fmt: skip
