"""Expectation suites: plain JSON files, as Great Expectations writes them, read and checked to the last argument."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from ddcrm.contracts.model import Severity
from ddcrm.errors import SuiteError

SEVERITIES: tuple[str, ...] = get_args(Severity)
_SUITE_KEYS = {"name", "expectations", "meta", "notes", "id", "suite_parameters"}
_KEYS = {"type", "kwargs", "severity", "meta", "notes", "description", "id", "expectation_context",
         "rendered_content", "success_on_last_run"}  # fmt: skip
_OURS = {"result_format", "catch_exceptions", "batch_id"}  # what the check itself decides
_ABOUT_COLUMNS = ("expect_table_column", "expect_column_to_exist")  # whose point is which columns there are


@dataclass(frozen=True)
class Expectation:
    """One entry of a suite."""

    type: str
    kwargs: Mapping[str, Any]
    severity: Severity = "critical"
    notes: str = ""  # why it is asked for
    is_row_level: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it is about, in its own order."""
        single = [self.kwargs[name] for name in ("column", "column_A", "column_B") if name in self.kwargs]
        return tuple(map(str, [*single, *self.kwargs.get("column_list", ())]))

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns without which it can't be judged: its own and those of its row_condition."""
        own = () if self.type.startswith(_ABOUT_COLUMNS) else self.columns
        return (*own, *_condition_columns(self.kwargs.get("row_condition")))

    @property
    def needs_whole_table(self) -> bool:
        """Whether it looks at which columns there are, or names columns in a way that can't be read from outside."""
        return self.type.startswith(_ABOUT_COLUMNS) or _is_text(self.kwargs.get("row_condition"))

    @property
    def is_about_table(self) -> bool:
        """Whether it can be judged on no rows at all."""
        return self.type.startswith(("expect_table_", "expect_column_to_exist"))


@dataclass(frozen=True)
class Suite:
    """The expectations of one entity or one published table."""

    name: str
    expectations: tuple[Expectation, ...]
    file: Path | None = None


def load_suite(directory: Path | str, name: str) -> Suite:
    """Read `<directory>/<name>.json`; raises SuiteError naming the file and the expectation that is wrong.

    Checked: the file, the keys, each expectation's type, arguments and severity (critical where none is given, as
    Great Expectations has it). Imports Great Expectations, which takes seconds, once a process.
    """
    file = Path(directory) / f"{name}.json"
    document = _document(file)
    _only(document, _SUITE_KEYS, "a suite", file=str(file))
    if document.get("name") != name:
        raise _wrong(f"the suite calls itself {document.get('name')!r}", file, hint=f"Call it {name!r}.")
    entries = document.get("expectations")
    if not isinstance(entries, list) or not entries:
        raise _wrong("the suite has no expectations", file, hint='Give it a list under "expectations".')
    return Suite(name, tuple(_expectation(entry, file, n) for n, entry in enumerate(entries, start=1)), file)


def check_columns(suite: Suite, columns: Sequence[str], table: str | None = None) -> None:
    """Raise SuiteError where an expectation needs a column that is not among `columns` (those of `table`)."""
    for expectation in suite.expectations:
        for name in expectation.needed:
            if name not in columns:
                raise SuiteError(
                    "the suite names a column that is not there",
                    suite=suite.name,
                    file=suite.file and str(suite.file),
                    expectation=expectation.type,
                    column=name,
                    table=table,
                    hint=_meant(name, columns) or f"There are: {', '.join(columns)}.",
                )


def _document(file: Path) -> dict[str, Any]:
    if not file.is_file():
        others = sorted(path.stem for path in file.parent.glob("*.json"))
        raise _wrong("there is no such suite", file, hint=_meant(file.stem, others) or "Write it, or name another.")
    try:
        document = json.loads(file.read_text("utf-8"))
    except json.JSONDecodeError as error:
        raise _wrong(f"the suite is not JSON: {error.msg}", file, line=error.lineno) from None
    except UnicodeDecodeError:
        raise _wrong("the suite is not UTF-8", file, hint="Save it as UTF-8.") from None
    if not isinstance(document, dict):
        raise _wrong("the suite is not a JSON object", file)
    return document


def _expectation(entry: Any, file: Path, number: int) -> Expectation:
    """One entry, checked; `number` counts from 1 as a person does."""
    where = {"file": str(file), "expectation": f"number {number}"}
    if not isinstance(entry, dict):
        raise SuiteError("the expectation is not a JSON object", **where)
    kind, kwargs = entry.get("type"), entry.get("kwargs", {})
    if not isinstance(kind, str):
        hint = 'Call the key "type".' if "expectation_type" in entry else None
        raise SuiteError("the expectation has no type", hint=hint, **where)
    where["expectation"] = f"{kind} (number {number})"
    _only(entry, _KEYS, "an expectation", **where)
    severity: Any = entry.get("severity") or "critical"
    if severity not in SEVERITIES:
        raise SuiteError(f"{severity!r} is not a severity", hint=f"Choose one of {', '.join(SEVERITIES)}.", **where)
    _check_kwargs(kind, kwargs, where)
    notes = entry.get("notes") or (entry.get("meta") or {}).get("notes") or ""
    return Expectation(kind, kwargs, severity, str(notes), _is_row_level(kind))


def _check_kwargs(kind: str, kwargs: Any, where: Mapping[str, str]) -> None:
    from ddcrm.quality import gx

    if not isinstance(kwargs, dict):
        raise SuiteError("kwargs is not a JSON object", **where)
    if ours := sorted(_OURS & set(kwargs)):
        raise SuiteError(f"{ours[0]} is not a suite's to set", hint="Leave it out.", **where)
    if "$PARAMETER" in json.dumps(kwargs):
        raise SuiteError("suite parameters are not supported", hint="Write the value itself.", **where)
    if kind not in (known := gx.expectation_types()):
        raise SuiteError("there is no such expectation", hint=_meant(kind, known), **where)
    if "{batch}" not in kwargs.get("unexpected_rows_query", "{batch}"):
        raise SuiteError("the query does not look at {batch}", hint="Write FROM {batch}.", **where)
    if problem := gx.kwargs_problem(kind, kwargs):
        hint = _meant(problem.name, problem.known)
        raise SuiteError(problem.message, hint=hint, column=kwargs.get("column"), **where)


def _is_row_level(kind: str) -> bool:
    from ddcrm.quality import gx

    return gx.is_row_level(kind)


def _condition_columns(condition: Any) -> Iterator[str]:
    """The columns of a row_condition that is written as an object; one written as text is not taken apart."""
    if not isinstance(condition, Mapping):
        return
    if isinstance(column := condition.get("column"), Mapping):
        yield str(column.get("name"))
    for part in condition.get("conditions", ()):
        yield from _condition_columns(part)


def _is_text(condition: Any) -> bool:
    return isinstance(condition, str) or (isinstance(condition, Mapping) and condition.get("type") == "pass_through")


def _only(found: Mapping[str, Any], allowed: set[str], what: str, **where: str) -> None:
    for key in found:
        if key not in allowed:
            raise SuiteError(f"{what} has no key {key!r}", hint=_meant(key, allowed), **where)


def _meant(name: str, known: Iterable[str]) -> str | None:
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f"Did you mean {close[0]!r}?" if close else None


def _wrong(message: str, file: Path, hint: str | None = None, **facts: Any) -> SuiteError:
    return SuiteError(message, file=str(file), hint=hint, **facts)
