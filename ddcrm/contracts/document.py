"""A YAML file as values that still know their lines.

The loader reads YAML's safe subset as version 1.2 does: `no`, `on` and `12:30` are text, and so are days; a number with
leading zeros stays text, too. Keys that stand twice, which YAML forbids and its loaders let pass, are refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ddcrm.errors import ContractError

Steps = tuple[str | int, ...]

_MERGE, _STR = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:str"
_RESOLVERS = (
    ("null", re.compile(r"(~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"(true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    ("int", re.compile(r"[-+]?(0|[1-9][0-9]*)$"), list("-+0123456789")),
    ("float", re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"), list("-+.0123456789")),
    ("merge", re.compile(r"<<$"), ["<"]),
)  # fmt: skip


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML's safe loader with the scalars of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, Any] = {}


for _tag, _pattern, _first in _RESOLVERS:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _pattern, _first)
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))
_Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(loader.construct_scalar(node)))


@dataclass(frozen=True)
class Document:
    """A YAML document: the file, its values, and the tree that knows their lines."""

    file: Path
    content: dict[str, Any]
    tree: yaml.MappingNode

    def line(self, path: Steps) -> int:
        """The line of the value at `path`, or of what is nearest to it."""
        node: Any = self.tree
        line = self.tree.start_mark.line + 1
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            line, node = found
        return line

    def fingerprint(self) -> str:
        """Sha256 of the content: comments, layout and the order of keys don't change it."""
        canonical = json.dumps(self.content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True)
class Place:
    """A value inside a document: `place / "servers" / 0` goes down, `place.error(...)` says what is wrong there."""

    document: Document
    path: Steps = ()
    column: str | None = None

    @property
    def value(self) -> Any:
        """What stands there; None where nothing does."""
        value: Any = self.document.content
        for step in self.path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    @property
    def line(self) -> int:
        """Its line in the file."""
        return self.document.line(self.path)

    def __truediv__(self, step: str | int) -> Place:
        return Place(self.document, (*self.path, step), self.column)

    def __iter__(self) -> Iterator[Place]:
        """The items of a list, or the values of a mapping; nothing for anything else."""
        value = self.value
        steps = range(len(value)) if isinstance(value, list) else value if isinstance(value, dict) else ()
        return (self / step for step in steps)

    def error(self, message: str, hint: str | None = None) -> ContractError:
        """The error of this place."""
        return ContractError(message, file=str(self.document.file), line=self.line, column=self.column, hint=hint)


def read_text(file: Path) -> str:
    """The text of a contract's file; raises ContractError where it can't be read or is not UTF-8."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ContractError(f"the contract can't be read: {error.strerror or error}", file=str(file)) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ContractError("the contract is not UTF-8", file=str(file), line=line, hint="Save it as UTF-8.") from None


def parse(text: str, file: Path) -> Document:
    """The YAML document in `text`; raises ContractError naming the line for anything that is not one sound mapping."""
    try:
        loader = _Loader(text)
        tree = loader.get_single_node()
        _check_keys(tree, file)
        content = loader.construct_document(tree) if tree is not None else None
    except yaml.YAMLError as error:
        raise _yaml_error(error, text, file) from None
    if not isinstance(content, dict):
        what = "the contract is empty" if content is None else "the contract is not a mapping of keys to values"
        raise ContractError(what, file=str(file), line=1, hint="Start from the example in docs/contracts.md.")
    return Document(file, content, tree)


def _yaml_error(error: yaml.YAMLError, text: str, file: Path) -> ContractError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    position = getattr(error, "position", None)
    line = mark.line + 1 if mark else text.count("\n", 0, position) + 1 if position is not None else None
    parts = [getattr(error, name, None) for name in ("context", "problem")]
    problem = ", ".join(filter(None, parts)) or getattr(error, "reason", None) or "it can't be parsed"
    tab = "tab character" in problem or "\\t" in problem
    hint = "YAML is indented with blanks, never with tabs." if tab else "Mend the YAML near this line."
    return ContractError(f"the contract is not valid YAML: {problem}", file=str(file), line=line, hint=hint)


def _check_keys(node: Any, file: Path, above: tuple[Any, ...] = (), done: set[int] | None = None) -> None:
    """Refuse keys that stand twice, keys that are no text, and aliases that contain themselves."""
    done = set() if done is None else done
    if any(node is other for other in above):
        raise ContractError("an alias stands inside what it names", file=str(file), line=node.start_mark.line + 1)
    if id(node) in done or not isinstance(node, yaml.CollectionNode):
        return
    done.add(id(node))
    if isinstance(node, yaml.MappingNode):
        _check_mapping(node, file)
    for child in node.value:
        for part in child if isinstance(child, tuple) else (child,):
            _check_keys(part, file, (*above, node), done)


def _check_mapping(node: yaml.MappingNode, file: Path) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if key.tag not in (_STR, _MERGE):
            raise ContractError("a key is not text", file=str(file), line=line, hint="Put it in quotes.")
        if key.value in lines:
            raise ContractError(f"the key {key.value!r} stands twice: in line {lines[key.value]} and in line {line}",
                                file=str(file), line=line, hint="Keep one of them.")  # fmt: skip
        lines[key.value] = line


def _child(node: Any, step: str | int) -> tuple[int, Any] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((key.start_mark.line + 1, value) for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line + 1, node.value[step]
    return None
