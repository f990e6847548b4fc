"""Changing a contract's text in place: comments, order and layout of everything else stay as a person wrote them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from ddcrm.contracts.document import Steps, parse

_PLAIN = re.compile(r"[A-Za-z_][\w ./()+*-]*|\d+\.\d+\.\d+[\w.+-]*")
_WORDS = ("true", "false", "null", "yes", "no", "on", "off")


@dataclass(frozen=True)
class Draft:
    """The text of a contract; every change gives a new draft. Paths are those of `document.Place`."""

    text: str
    file: Path

    def value(self, path: Steps) -> Any:
        """What stands at a path; None where nothing does."""
        found: Any = parse(self.text, self.file).content
        for step in path:
            try:
                found = found[step]
            except (KeyError, IndexError, TypeError):
                return None
        return found

    def with_value(self, path: Steps, value: Any) -> Draft:
        """The value at a path replaced, or its key added to the mapping above it."""
        node = self._node(path)
        if node is not None:
            return self._spliced(*self._span(node), written(value))
        *above, key = path
        holder = self._node(tuple(above))
        if holder is None:
            return self.with_value(tuple(above), {key: value})
        return self._added(holder, f"{key}: {written(value)}")

    def with_item(self, path: Steps, value: Any) -> Draft:
        """A value appended to the list at a path, which must be there and not empty."""
        return self._added(self._node(path), written(value))

    def in_one_line(self, path: Steps) -> bool:
        """Whether the list or mapping at a path is written in YAML's flow style, which has no lines of its own."""
        return bool(self._node(path).flow_style)

    def without(self, path: Steps) -> Draft:
        """Without the key at a path; a mapping that would be empty goes with it."""
        holder = self._node(path[:-1])
        if len(holder.value) == 1:
            return self.without(path[:-1])
        place = next(n for n, (key, _) in enumerate(holder.value) if key.value == path[-1])
        key, value = holder.value[place]
        if not holder.flow_style:
            return self._spliced(self._line_start(key.start_mark.line), self._line_end(self._end(value)) + 1, "")
        if place:
            return self._spliced(self._end(holder.value[place - 1][1]), self._end(value), "")
        return self._spliced(self._at(key.start_mark), self._at(holder.value[1][0].start_mark), "")

    def commented(self, path: Steps, lines: Sequence[str]) -> Draft:
        """Comment lines above what stands at a path."""
        start = self._line_start(self._node(path).start_mark.line)
        return self._spliced(start, start, self._comment(start, lines))

    def appended_comment(self, path: Steps, lines: Sequence[str]) -> Draft:
        """Comment lines below the last item of the list at a path."""
        node = self._node(path)
        start = self._line_start(node.value[-1].start_mark.line)
        after = self._line_end(self._end(node)) + 1
        text = self._comment(start, lines)
        return (
            self._spliced(after, after, text) if after <= len(self.text) else replace(self, text=f"{self.text}\n{text}")
        )

    def commented_out(self, path: Steps) -> Draft:
        """The item of a block list as comments."""
        node = self._node(path)
        start, end = self._line_start(node.start_mark.line), self._line_end(self._end(node))
        lines = self.text[start:end].split("\n")
        indent = len(lines[0]) - len(lines[0].lstrip())
        return self._spliced(start, end, "\n".join(f"{line[:indent]}# {line[indent:]}" for line in lines))

    def _comment(self, start: int, lines: Sequence[str]) -> str:
        line = self.text[start : self._line_end(start)]
        indent = line[: len(line) - len(line.lstrip())]
        return "".join(f"{indent}# {part}\n" for each in lines for part in _wrapped(each))

    def _added(self, holder: Any, entry: str) -> Draft:
        """An entry behind the last one of a mapping or a list, in its own style."""
        last = holder.value[-1][1] if isinstance(holder, yaml.MappingNode) else holder.value[-1]
        end = self._end(last)
        if holder.flow_style:
            return self._spliced(end, end, f", {entry}")
        first = holder.value[0][0] if isinstance(holder, yaml.MappingNode) else holder.value[0]
        column = first.start_mark.column
        if isinstance(holder, yaml.SequenceNode):
            start = self._line_start(first.start_mark.line)
            column = self.text.rindex("-", start, start + column) - start
            entry = f"- {entry}"
        after = self._line_end(end)
        return self._spliced(after, after, f"\n{' ' * column}{entry}")

    def _node(self, path: Steps) -> Any:
        node: Any = parse(self.text, self.file).tree
        for step in path:
            node = _child(node, step)
            if node is None:
                return None
        return node

    def _span(self, node: Any) -> tuple[int, int]:
        return self._at(node.start_mark), self._end(node)

    def _end(self, node: Any) -> int:
        """Where a node's text ends: a block collection's own mark is where the next thing begins."""
        if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
            last = node.value[-1]
            return self._end(last[1] if isinstance(last, tuple) else last)
        end = self._at(node.end_mark)
        return len(self.text[:end].rstrip()) if getattr(node, "style", None) in ("|", ">") else end

    def _at(self, mark: Any) -> int:
        return self._line_start(mark.line) + int(mark.column)

    def _line_start(self, line: int) -> int:
        start = 0
        for _ in range(line):
            start = self.text.index("\n", start) + 1
        return start

    def _line_end(self, place: int) -> int:
        end = self.text.find("\n", place)
        return len(self.text) if end < 0 else end

    def _spliced(self, start: int, end: int, text: str) -> Draft:
        return replace(self, text=self.text[:start] + text + self.text[end:])


def _child(node: Any, step: str | int) -> Any:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    inside = isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value)
    return node.value[step] if inside else None


def _wrapped(line: str) -> list[str]:
    """A sentence in lines; what may be taken in as YAML stays in one."""
    return [line] if line.startswith("- ") else textwrap.wrap(line, 110)


def written(value: Any) -> str:
    """A value as YAML in one line, which reads as the same value."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int | float):
        return repr(value)
    text = str(value)
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS and text == text.strip()
    return text if plain else "'" + text.replace("'", "''") + "'"
