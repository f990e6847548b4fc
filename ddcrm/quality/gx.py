"""All that touches Great Expectations: imported late, quiet, without a folder, a network or progress bars.

Importing it takes seconds, so nothing here does at import time. One ephemeral context serves a process; a check adds a
data source of its own and takes it away again, so that no rows and no connections stay behind.
"""

from __future__ import annotations

import gc
import itertools
import logging
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from ddcrm.quality.redact import Trouble, trouble_of, trouble_of_result

if TYPE_CHECKING:
    import pandas as pd

    from ddcrm.quality.suites import Expectation

_NOISY = ("great_expectations", "sqlalchemy.engine")  # they log values
_POSITION = "ddcrm.position"
_TOGETHER = "__root__"  # what pydantic calls a problem of several arguments
_names = (f"check-{number}" for number in itertools.count(1))

# without values in the result; COMPLETE is what brings the positions of the failing rows
_ROWS = {"result_format": "COMPLETE", "partial_unexpected_count": 0, "exclude_unexpected_values": True,
         "return_unexpected_index_query": False}  # fmt: skip
_COUNTS = {"result_format": "BASIC", "partial_unexpected_count": 0}


@dataclass(frozen=True)
class Outcome:
    """What Great Expectations says of one expectation; `result` may hold values and goes no further than redaction."""

    success: bool
    result: Mapping[str, Any] = field(default_factory=dict, repr=False)
    trouble: Trouble | None = None  # why it could not be judged


@dataclass(frozen=True)
class KwargsProblem:
    """What is wrong with the arguments of an expectation: the argument, and those that exist."""

    message: str
    name: str
    known: tuple[str, ...]


@contextmanager
def quiet() -> Iterator[None]:
    """No logs and no warnings inside the block: they would quote the data."""
    loggers = [logging.getLogger(name) for name in _NOISY]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Imports make a million objects and no garbage: looking for some is a fifth of their time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@cache
def expectation_types() -> tuple[str, ...]:
    """The names of all expectations there are."""
    with quiet(), _without_collection():
        import great_expectations  # noqa: F401  (it registers them)
        from great_expectations.expectations.registry import list_registered_expectation_implementations

        return tuple(sorted(list_registered_expectation_implementations()))


def is_row_level(kind: str) -> bool:
    """Whether the expectation judges each row (of a column, a pair or several columns)."""
    with quiet():
        from great_expectations.expectations import expectation as base

        row_level = (base.ColumnMapExpectation, base.ColumnPairMapExpectation, base.MulticolumnMapExpectation)
        return issubclass(_class_of(kind), row_level)


def kwargs_problem(kind: str, kwargs: Mapping[str, Any]) -> KwargsProblem | None:
    """What is wrong with the arguments; None if nothing is."""
    with quiet():
        from great_expectations.compatibility.pydantic import ValidationError

        known = tuple(_class_of(kind).__fields__)
        try:
            _class_of(kind)(**kwargs)
        except ValidationError as error:
            return _problem([(str(one["loc"][0]), str(one["msg"])) for one in error.errors()], known)
        except (TypeError, ValueError) as error:
            return KwargsProblem(f"its arguments are wrong: {error}", "", ())
    return None


def _problem(found: Sequence[tuple[str, str]], known: tuple[str, ...]) -> KwargsProblem:
    """The first of the problems (argument, message): an unknown argument before a wrong one, before all together."""
    unknown = [name for name, _ in found if name not in known and name != _TOGETHER]
    if unknown:
        return KwargsProblem(f"it has no argument {unknown[0]!r}", unknown[0], known)
    name, said = min(found, key=lambda one: one[0] == _TOGETHER)
    return KwargsProblem(said if name == _TOGETHER else f"the argument {name} is wrong: {said}", "", ())


def judge_frame(expectations: Sequence[Expectation], frame: pd.DataFrame) -> list[Outcome]:
    """Judge a frame (index 0, 1, ...), in the order of the expectations."""

    def batch_definition(context: Any, name: str) -> Any:
        asset = context.data_sources.add_pandas(name).add_dataframe_asset(name)
        return asset.add_batch_definition_whole_dataframe(name)

    return _judge(expectations, batch_definition, _ROWS, {"dataframe": frame})


def judge_table(expectations: Sequence[Expectation], url: str, schema: str, table: str) -> list[Outcome]:
    """Judge a table of a PostgreSQL (`url` with its password, driver postgresql+psycopg)."""

    def batch_definition(context: Any, name: str) -> Any:
        source = context.data_sources.add_sql(name, connection_string=url)
        asset = source.add_table_asset(name, table_name=f'"{table}"', schema_name=schema)
        return asset.add_batch_definition_whole_table(name)

    return _judge(expectations, batch_definition, _COUNTS, None)


def _judge(
    expectations: Sequence[Expectation],
    batch_definition: Callable[[Any, str], Any],
    result_format: dict[str, Any],
    parameters: dict[str, Any] | None,
) -> list[Outcome]:
    if not expectations:
        return []
    with quiet(), _source_name() as name:
        from great_expectations.validator.v1_validator import Validator

        definition = batch_definition(_context(), name)
        validator = Validator(batch_definition=definition, batch_parameters=parameters, result_format=result_format)
        return _validate(validator, expectations)


def _validate(validator: Any, expectations: Sequence[Expectation]) -> list[Outcome]:
    """In one run; where that raises as a whole, one by one, to tell which expectation it was."""
    try:
        results = validator.validate_expectation_suite(_suite(expectations)).results
    except Exception as error:
        if len(expectations) == 1:
            return [Outcome(False, trouble=trouble_of("".join(traceback.format_exception(error))))]
        return [outcome for one in expectations for outcome in _validate(validator, [one])]
    ordered = sorted(results, key=lambda result: result.expectation_config.meta[_POSITION])
    return [_outcome(result) for result in ordered]


def _outcome(result: Any) -> Outcome:
    return Outcome(bool(result.success), result.result or {}, trouble_of_result(result.exception_info))


def _suite(expectations: Sequence[Expectation]) -> Any:
    from great_expectations import ExpectationSuite

    entries = [
        {"type": one.type, "kwargs": dict(one.kwargs), "severity": one.severity, "meta": {_POSITION: position}}
        for position, one in enumerate(expectations)
    ]
    return ExpectationSuite(name="suite", expectations=entries)


def _class_of(kind: str) -> Any:
    from great_expectations.expectations.registry import get_expectation_impl

    return get_expectation_impl(kind)


@cache
def _context() -> Any:
    import great_expectations
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        progress_bars=ProgressBarsConfig(globally=False, metric_calculations=False),
        analytics_enabled=False,
    )
    context: Any = great_expectations.get_context(mode="ephemeral", project_config=config)
    context.variables.save = lambda: None  # else each change of a source is written as YAML, which nobody reads
    return context


@contextmanager
def _source_name() -> Iterator[str]:
    """A name for a data source, which is taken away at the end with the rows or connections that it holds."""
    name = next(_names)
    try:
        yield name
    finally:
        sources = _context().data_sources
        if name in sources.all():
            _close(sources.get(name))
            sources.delete(name)


def _close(source: Any) -> None:
    if source.type == "sql":
        source.get_execution_engine().close()
        source.get_engine().dispose()
