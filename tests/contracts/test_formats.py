"""Patterns for dates: DuckDB reads with the converted format what the pattern describes."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pytest

from ddcrm.contracts import to_strptime
from ddcrm.contracts.formats import check_day_pattern
from ddcrm.errors import ContractError

MOMENTS = [
    ("yyyy-MM-dd", "2026-03-01", datetime(2026, 3, 1)),
    ("yyyyMMdd", "20260301", datetime(2026, 3, 1)),
    ("dd.MM.yyyy", "01.03.2026", datetime(2026, 3, 1)),
    ("d/M/yyyy", "1/3/2026", datetime(2026, 3, 1)),
    ("M/d/yyyy H:mm", "12/1/2010 8:26", datetime(2010, 12, 1, 8, 26)),
    ("dd MMM yyyy", "01 Mar 2026", datetime(2026, 3, 1)),
    ("EEEE, d MMMM uuuu", "Sunday, 1 March 2026", datetime(2026, 3, 1)),
    ("yy-MM-dd", "26-03-01", datetime(2026, 3, 1)),
    ("yyyy-DDD", "2026-060", datetime(2026, 3, 1)),
    ("yyyy-MM-dd HH:mm:ss", "2026-03-01 23:59:07", datetime(2026, 3, 1, 23, 59, 7)),
    ("yyyy-MM-dd'T'HH:mm:ss", "2026-03-01T23:59:07", datetime(2026, 3, 1, 23, 59, 7)),
    ("yyyy-MM-dd hh:mm a", "2026-03-01 11:59 PM", datetime(2026, 3, 1, 23, 59)),
    ("yyyy-MM-dd HH:mm:ss.SSS", "2026-03-01 23:59:07.250", datetime(2026, 3, 1, 23, 59, 7, 250000)),
    ("yyyy-MM-dd HH:mm:ss.SSSSSS", "2026-03-01 23:59:07.000125", datetime(2026, 3, 1, 23, 59, 7, 125)),
    ("yyyy-MM-dd HH:mm:ss.SSSSSSSSS", "2026-03-01 23:59:07.000125000", datetime(2026, 3, 1, 23, 59, 7, 125)),
    ("yyyy-MM-dd'T'HH:mm:ssXXX", "2026-03-01T23:59:07+02:00", datetime(2026, 3, 1, 21, 59, 7, tzinfo=UTC)),
    ("yyyy-MM-dd HH:mm:ss Z", "2026-03-01 23:59:07 -0500", datetime(2026, 3, 2, 4, 59, 7, tzinfo=UTC)),
    ("yyyy-MM-dd HH:mm VV", "2026-03-01 23:59 Europe/Berlin", datetime(2026, 3, 1, 22, 59, tzinfo=UTC)),
    ("'100% o''clock' yyyy-MM-dd", "100% o'clock 2026-03-01", datetime(2026, 3, 1)),
    ("yyyy''MM-dd %", "2026'03-01 %", datetime(2026, 3, 1)),
]


@pytest.mark.parametrize(("pattern", "text", "moment"), MOMENTS)
def test_engine_reads_what_the_pattern_describes(pattern: str, text: str, moment: datetime) -> None:
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        (found,) = engine.execute("SELECT strptime(?, ?)", [text, to_strptime(pattern)]).fetchone() or (None,)
    assert found == moment


@pytest.mark.parametrize(("pattern", "text"), [("yyyy-MM-dd", "2026-13-01"), ("dd.MM.yyyy", "2026-03-01")])
def test_engine_refuses_what_the_pattern_does_not_describe(pattern: str, text: str) -> None:
    with duckdb.connect() as engine:
        assert engine.execute("SELECT try_strptime(?, ?)", [text, to_strptime(pattern)]).fetchone() == (None,)


@pytest.mark.parametrize(
    ("pattern", "letters", "hint"),
    [("YYYY-MM-dd", "YYYY", "yyyy"), ("yyyy-MM-DD", "DD", "dd"), ("yyyy-MM-ddTHH:mm", "T", "quotes"),
     ("yyyyy-MM-dd", "yyyyy", "quotes"), ("yyyy-MM-dd kk:mm", "kk", "HH"), ("%Y-%m-%d", "Y", "yyyy")],
)  # fmt: skip
def test_unknown_letters_are_named(pattern: str, letters: str, hint: str) -> None:
    with pytest.raises(ContractError, match=f"not known: {letters}") as caught:
        to_strptime(pattern)
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize("pattern", ["yyyy-MM-dd'T", "'", "yyyy[-MM]"])
def test_quotes_close_and_sections_are_refused(pattern: str) -> None:
    with pytest.raises(ContractError, match=r"never closes|optional section"):
        to_strptime(pattern)


@pytest.mark.parametrize(
    ("pattern", "what"),
    [("yyyy-mm-dd", "no month"), ("MM-dd", "no year"), ("yyyy-MM", "no day"), ("HH:mm:ss", "no year"),
     ("yyyy-MM-dd hh:mm", "half day")],
)  # fmt: skip
def test_pattern_of_a_day_has_year_month_and_day(pattern: str, what: str) -> None:
    with pytest.raises(ContractError, match=what):
        check_day_pattern(pattern)


@pytest.mark.parametrize("pattern", [pattern for pattern, _, _ in MOMENTS])
def test_patterns_of_days_pass(pattern: str) -> None:
    assert check_day_pattern(pattern) == to_strptime(pattern)
