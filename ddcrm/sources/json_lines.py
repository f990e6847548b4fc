"""JSON lines: one object a line, numbers as written, nested values as JSON text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ddcrm.errors import MalformedDataError
from ddcrm.sources.columns import load_json
from ddcrm.sources.spool import Row

LONGEST_LINE = 32 << 20  # bytes


def json_rows(blocks: Iterable[bytes], facts: dict[str, Any]) -> Iterator[Row]:
    """The objects with their lines, blank ones skipped. Raises MalformedDataError for a line that is no object."""
    for line, text in _lines(blocks, facts):
        if not text.strip():
            continue
        try:
            value = load_json(text)
        except ValueError as error:
            raise MalformedDataError(
                f"a line that is not JSON: {_reason(error)}", **facts, row=line, hint=_hint(text, line)
            ) from None
        if not isinstance(value, dict):
            raise MalformedDataError("a line that is not a JSON object", **facts, row=line, hint=_hint(text, line))
        yield line, value


def _lines(blocks: Iterable[bytes], facts: dict[str, Any]) -> Iterator[tuple[int, str]]:
    held, line = b"", 1
    for block in blocks:
        *whole, held = (held + block).split(b"\n")
        for data in whole:
            yield line, data.decode()
            line += 1
        if len(held) > LONGEST_LINE:
            raise MalformedDataError(
                f"a line of more than {LONGEST_LINE >> 20} MiB", **facts, row=line, hint=_hint(held[:1].decode(), line)
            )
    if held:
        yield line, held.decode()


def _reason(error: ValueError) -> str:
    """Where the parser stopped; never what stood there."""
    position = getattr(error, "colno", None)
    return f"{getattr(error, 'msg', error)}" + (f", at character {position}" if position else "")


def _hint(text: str, line: int) -> str:
    array = line == 1 and text.lstrip().startswith("[")
    return "Write one object a line instead of one array." if array else "Each line is one JSON object, {...}."
