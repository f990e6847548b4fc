"""What the demo prints: steps with their times as they are done, what is being done now, tables at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from typing import Any

_SILENT_SECONDS = 10.0  # a plain log says at least that often what is being done

_LOG_WIDTH = 120  # where it is no terminal, so that the tables look the same everywhere


class Show:
    """Lines on a terminal with a spinner for what is being done, or a plain log elsewhere."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(highlight=False)
        if not self.console.is_terminal:
            self.console.width = _LOG_WIDTH
        self._begin = self._said = time.monotonic()
        self._status: Any = None

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A part of the work, whose end is told with the time it took."""
        begin = time.monotonic()
        with self.console.status(title) as self._status:
            yield
        self._status = None
        self.line(f"{title}: {time.monotonic() - begin:.0f} s")

    def doing(self, what: str) -> None:
        """What is being done now."""
        if self._status and self.console.is_terminal:
            self._status.update(what)
        elif time.monotonic() - self._said > _SILENT_SECONDS:
            self.line(f"... {what}")

    def line(self, text: str = "") -> None:
        """A line, with the seconds since the beginning."""
        self._said = time.monotonic()
        self.console.print(f"[dim]{self._said - self._begin:4.0f} s[/dim]  {_plain(text)}", soft_wrap=True)

    def say(self, text: str = "") -> None:
        """A line as it is, whatever its length: to be copied."""
        self.console.print(_plain(text), soft_wrap=True)

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A table; numbers stand right."""
        from rich import box
        from rich.table import Table

        table = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
        for place, name in enumerate(header):
            numeric = all(isinstance(row[place], int | float | Decimal) for row in rows if row[place] is not None)
            table.add_column(name, justify="right" if numeric else "left", overflow="fold")
        for row in rows:
            table.add_row(*(_plain(_cell(value)) for value in row))
        self.console.print(table)


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool | str | date):
        return str(value)
    return f"{value:,}" if isinstance(value, int | Decimal) else f"{value:,.2f}"
