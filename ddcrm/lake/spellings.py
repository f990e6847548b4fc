"""Other ways in which sources write dates and numbers, tried where a column can't be read any more."""

from __future__ import annotations

from dataclasses import dataclass

from ddcrm.lake.engine import literal


@dataclass(frozen=True)
class Spelling:
    """A way of writing: an ODCS `format`; or a `pattern` of texts that are written so, and `sql` that reads them.

    In `sql`, TEXT stands for the text.
    """

    name: str
    format: str | None = None
    pattern: str | None = None
    sql: str = "TEXT"
    dated: bool = False

    def of(self, text: str) -> str:
        """SQL of a text that the plain cast reads; NULL where the text is not written in this way."""
        if self.pattern is None:
            return text
        return f"CASE WHEN regexp_full_match(trim({text}), {literal(self.pattern)}) THEN {self.logic(text)} END"

    def logic(self, text: str) -> str:
        """The same for values that are all written in this way."""
        return self.sql.replace("TEXT", text)


_DAYS = ("yyyy-MM-dd", "dd.MM.yyyy", "MM/dd/yyyy", "dd/MM/yyyy", "yyyy/MM/dd", "dd-MM-yyyy", "yyyyMMdd", "dd MMM yyyy",
         "MMM dd yyyy", "d.M.yyyy", "M/d/yyyy", "dd.MM.yy", "MM/dd/yy")  # fmt: skip
_TIMES = ("", " HH:mm:ss", " HH:mm", "'T'HH:mm:ss", "'T'HH:mm:ss.SSS", " HH:mm:ss.SSS", " hh:mm a", " hh:mm:ss a",
          " HH:mm:ssXXX")  # fmt: skip

DATES: tuple[Spelling, ...] = (
    Spelling("ISO 8601", dated=True),
    *(Spelling(day + time, format=day + time, dated=True) for day in _DAYS for time in _TIMES),
    Spelling("seconds since 1970", pattern=r"\d{9,10}", sql="to_timestamp(CAST(TEXT AS BIGINT))", dated=True),
    Spelling("milliseconds since 1970", pattern=r"\d{12,13}", sql="to_timestamp(CAST(TEXT AS BIGINT) / 1000)",
             dated=True),
)  # fmt: skip

NUMBERS: tuple[Spelling, ...] = (
    Spelling("a decimal comma", pattern=r"[+-]?\d+(,\d+)?", sql="replace(TEXT, ',', '.')"),
    Spelling("a decimal comma, points between thousands", pattern=r"[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?",
             sql="replace(replace(TEXT, '.', ''), ',', '.')"),
    Spelling("commas between thousands", pattern=r"[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?", sql="replace(TEXT, ',', '')"),
    Spelling("blanks or apostrophes between thousands", pattern=r"[+-]?(\d{1,3}([ '\x{2019}]\d{3})+|\d+)(\.\d+)?",
             sql="regexp_replace(TEXT, '[^0-9.+-]', '', 'g')"),
    Spelling("a currency's name or sign", pattern=r"[+-]?([€$£]|[A-Z]{3})? ?[+-]?\d+(\.\d+)? ?([€$£]|[A-Z]{3})?",
             sql="regexp_replace(TEXT, '[^0-9.+-]', '', 'g')"),
)  # fmt: skip
