"""The exact reading of CSV, record by record: it says which line is wrong. csv_quick must agree with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from ddcrm.errors import MalformedDataError
from ddcrm.sources.dialect import Dialect

Field = str | None


@dataclass(frozen=True)
class Record:
    """The fields of one record (None: nothing between two delimiters), the line it starts on, and where it ends."""

    line: int
    fields: list[Field]
    end: int


def records(
    text: str, line: int, dialect: Dialect, facts: dict[str, Any], final: bool, columns: Sequence[str | int] = ()
) -> Iterator[Record]:
    """The records of a text that begins on `line`; blank lines are skipped. `columns` are named in errors.

    Without `final` the text may be cut anywhere, and a record that may go on behind its end is left out. Raises
    MalformedDataError for a quote that never closes, for text behind a closing quote, and for a carriage return alone.
    """
    parser = _Parser(text, dialect, facts, final, columns)
    position = 0
    while position < len(text):
        blank = _BLANK.match(text, position)
        if blank and (final or blank.end() < len(text) or blank[0].endswith("\n")):
            position = blank.end()
            line += 1
            continue
        record = parser.record(position, line)
        if record is None:
            return
        yield record
        line += text.count("\n", position, record.end)
        position = record.end


def check_width(record: Record, columns: Sequence[str | int], facts: dict[str, Any], hint: str | None = None) -> None:
    """Raise MalformedDataError for a record with more or fewer fields than columns."""
    found, expected = len(record.fields), len(columns)
    if found == expected:
        return
    few = found < expected
    if not few and found == expected + 1 and record.fields[-1] is None:
        hint = "It ends with a delimiter, which the header does not."
    raise MalformedDataError(
        f"too {'few' if few else 'many'} fields: {found} instead of {expected}",
        **facts,
        row=record.line,
        column=columns[found] if few else None,
        hint=hint or "A field with a delimiter or a line break in it must be quoted.",
    )


_CLOSE = "Close the quote that opens on this line, or double it where it is part of the text."
_BLANK = re.compile(r"\r?\n|\r\Z")


@dataclass(frozen=True)
class _Patterns:
    plain: re.Pattern[str]
    quoted: re.Pattern[str] | None
    plain_marks: re.Pattern[str] | None
    quoted_marks: re.Pattern[str] | None


@cache
def _patterns(dialect: Dialect) -> _Patterns:
    """What a field without and with quotes looks like, and what stands in each for another character."""
    delimiter, quote, escape = (
        re.escape(character) for character in (dialect.delimiter, dialect.quote, dialect.escape)
    )
    escaped = rf"{escape}(?:.|\Z)" if escape else None
    outside = rf"[^{delimiter}\r\n{escape}]*"
    plain = rf"{outside}(?:{escaped}{outside})*+" if escaped else outside
    inside = rf"[^{quote}{escape}]*"
    special = "|".join(filter(None, (rf"{quote}{quote}", escaped)))
    quoted = rf"{quote}({inside}(?:(?:{special}){inside})*+){quote}"
    mark = rf"{escape}([{delimiter}{quote}{escape}\r\n])" if escape else None
    marks = "|".join(filter(None, (rf"{quote}({quote})", mark)))
    compiled = [
        re.compile(pattern, re.DOTALL) if pattern else None
        for pattern in (quoted if quote else None, mark, marks if quote else None)
    ]
    return _Patterns(re.compile(plain, re.DOTALL), *compiled)


class _Parser:
    """One text, read from any record's start."""

    def __init__(
        self, text: str, dialect: Dialect, facts: dict[str, Any], final: bool, columns: Sequence[str | int]
    ) -> None:
        self.text, self.dialect, self.facts, self.final, self.columns = text, dialect, facts, final, columns
        self.patterns = _patterns(dialect)
        self.start, self.line = 0, 1  # of the record

    def record(self, position: int, line: int) -> Record | None:
        """The record that begins at `position`; None where the text ends before it does."""
        self.start, self.line = position, line
        fields: list[Field] = []
        while True:
            found = self._field(position, len(fields))
            if found is None:
                return None
            value, position = found
            fields.append(value)
            if self.text.startswith(self.dialect.delimiter, position):
                position += 1
                continue
            end = self._line_end(position, len(fields) - 1)
            return None if end is None else Record(line, fields, end)

    def _field(self, position: int, number: int) -> tuple[Field, int] | None:
        if not self.patterns.quoted or not self.text.startswith(self.dialect.quote, position):
            match = self.patterns.plain.match(self.text, position)
            end = match.end() if match else position
            return _unmarked(self.text[position:end], self.patterns.plain_marks) or None, end
        match = self.patterns.quoted.match(self.text, position)
        if match is not None:
            self._check_end(match.end(), position, number)
            return _unmarked(match[1], self.patterns.quoted_marks), match.end()
        if self.final:
            raise self._error("a quote never closes", position, number, _CLOSE)
        return None

    def _check_end(self, end: int, position: int, number: int) -> None:
        """Behind a closing quote stands a delimiter, a line break, or nothing."""
        follows = self.text[end : end + 2]
        if not follows or follows[0] in (self.dialect.delimiter, "\n") or follows in ("\r\n", "\r"):
            return
        if "\n" in self.text[position:end]:  # the quote that seems to close this field opens another one
            raise self._error("a quote never closes", position, number, _CLOSE)
        raise self._error("text behind a closing quote", position, number, "Double a quote that is part of the text.")

    def _line_end(self, position: int, number: int) -> int | None:
        """Behind the line break at `position`; None where the text may go on."""
        follows = self.text[position : position + 2]
        if follows.startswith("\n"):
            return position + 1
        if follows == "\r\n":
            return position + 2
        if follows in ("", "\r"):
            return len(self.text) if self.final else None
        hint = "Quote the field, or end the lines with a line feed."
        raise self._error("a carriage return without a line feed", position, number, hint)

    def _error(self, message: str, position: int, number: int, hint: str) -> MalformedDataError:
        line = self.line + self.text.count("\n", self.start, position)
        column = self.columns[number] if number < len(self.columns) else number + 1
        return MalformedDataError(message, **self.facts, row=line, column=column, hint=hint)


def _unmarked(text: str, marks: re.Pattern[str] | None) -> str:
    return marks.sub(lambda match: match[match.lastindex or 0], text) if marks else text
