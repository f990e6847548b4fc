"""One JSON document: an array of objects, or objects one after the other, however their lines are broken."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ddcrm.errors import MalformedDataError
from ddcrm.sources.columns import load_json_from
from ddcrm.sources.json_lines import LONGEST_LINE
from ddcrm.sources.spool import Row

_CUT_OFF = "the array does not end: was the file cut off?"
_SPACE = re.compile(r"[ \t\r\n]*")


def document_rows(blocks: Iterable[bytes], facts: dict[str, Any]) -> Iterator[Row]:
    """The objects with the lines on which they start. Raises MalformedDataError for anything else, and for an array
    that does not end."""
    return _Reader(blocks, facts).rows()


class _Reader:
    """The text behind what was read, and the line on which it begins."""

    def __init__(self, blocks: Iterable[bytes], facts: dict[str, Any]) -> None:
        self.blocks, self.facts = iter(blocks), facts
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.text, self.position, self.final = "", 0, False
        self.line, self.counted = 1, 0  # the line of a position that was counted

    def rows(self) -> Iterator[Row]:
        """All objects."""
        array = self.next_is("[")
        first = True
        while not self.ended(array):
            if array and not first and not self.next_is(","):
                raise self.error("a comma is missing between two objects of the array")
            first = False
            self.peek()
            line = self.line_here()
            yield line, self.value()
        if array and self.peek():
            raise self.error("something follows the array")

    def ended(self, array: bool) -> bool:
        """Whether there are no more objects."""
        if array and not self.peek():
            raise self.error(_CUT_OFF)
        return self.next_is("]") if array else not self.peek()

    def value(self) -> Any:
        """The next object; the text may end within it, so what can't be read is wrong only when there is no more."""
        if self.peek() != "{":
            raise self.error("a row that is not a JSON object" if self.peek() else _CUT_OFF)
        while True:
            try:
                value, self.position = load_json_from(self.text, self.position)
            except ValueError as error:
                if self.final or len(self.text) - self.position > LONGEST_LINE:
                    raise self.error(f"an object that is not JSON: {getattr(error, 'msg', error)}", error) from None
                self.fill()
            else:
                return value

    def next_is(self, character: str) -> bool:
        """Go behind the next character, if it is this one."""
        found = self.peek() == character
        self.position += found
        return found

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            match = _SPACE.match(self.text, self.position)
            self.position = match.end() if match else self.position
            if self.position < len(self.text) or self.final:
                return self.text[self.position : self.position + 1]
            self.fill()

    def fill(self) -> None:
        """Read a block more, and forget what was read of the text."""
        block = next(self.blocks, None)
        self.final = block is None
        self.line_here()
        self.text = self.text[self.position :] + self.decoder.decode(block or b"", self.final)
        self.position = self.counted = 0

    def line_here(self) -> int:
        """The line of the position."""
        self.line += self.text.count("\n", self.counted, self.position)
        self.counted = self.position
        return self.line

    def error(self, message: str, error: ValueError | None = None) -> MalformedDataError:
        line = self.line_here() + self.text.count("\n", self.position, getattr(error, "pos", self.position))
        hint = "The file is one array of objects, or objects one after the other."
        return MalformedDataError(message, **self.facts, row=line, hint=hint)
