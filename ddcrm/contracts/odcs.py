"""The standard's own JSON schema: is the document ODCS at all?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ddcrm.contracts.document import Document, Place

if TYPE_CHECKING:
    import jsonschema_rs
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

_TYPES = {"object": "a mapping", "array": "a list", "string": "text", "integer": "a whole number", "number": "a number",
          "boolean": "true or false", "null": "empty"}  # fmt: skip
_UNKNOWN = ("additionalProperties", "unevaluatedProperties")


@cache
def _schema() -> dict[str, Any]:
    text = files("open_data_contract_standard").joinpath("schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@cache
def _quick_validator() -> jsonschema_rs.Draft201909Validator:
    import jsonschema_rs

    return jsonschema_rs.Draft201909Validator(_schema())


@cache
def _validator() -> Validator:
    from jsonschema import Draft201909Validator

    return Draft201909Validator(_schema())


def check_standard(document: Document) -> None:
    """Raise ContractError for what the standard's JSON schema says first (from the top of the file) against it."""
    if _is_valid(document.content):
        return
    errors = _causes(list(_validator().iter_errors(document.content)))
    if not errors:
        return
    first = min(errors, key=lambda error: _place(document, error).line)
    place = _place(document, first)
    message, hint = _explain(first)
    raise place.error(f"{_dotted(place.path)}: {message}" if place.path else message, hint)


def _is_valid(content: Any) -> bool:
    """Whether all is well, in a fraction of the time that `_validator` takes; False where JSON has no such value."""
    try:
        return _quick_validator().is_valid(content)
    except (TypeError, ValueError):
        return False


def suggest(word: str, known: Iterator[str] | list[str]) -> str | None:
    """A did-you-mean for `word`, or None."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"Did you mean {close[0]!r}?" if close else None


def _causes(errors: list[ValidationError]) -> list[ValidationError]:
    """The errors without those that only follow from others ("unevaluated" keys of a part that is wrong elsewhere)."""
    real = [error for error in errors if error.validator != "unevaluatedProperties"]
    paths = [list(error.absolute_path) for error in real]

    def follows(error: ValidationError) -> bool:
        own = list(error.absolute_path)
        return any(path[: len(own)] == own for path in paths)

    return real + [error for error in errors if error.validator == "unevaluatedProperties" and not follows(error)]


def _place(document: Document, error: ValidationError) -> Place:
    path = tuple(error.absolute_path)
    if error.validator in _UNKNOWN:
        path += tuple(_unexpected(error)[:1])
    return Place(document, path, _column(document, path))


def _column(document: Document, path: tuple[str | int, ...]) -> str | None:
    """The name of the property that the path leads into."""
    inside = len(path) >= 4 and path[0] == "schema" and path[2] == "properties"
    name = (Place(document, path[:4]) / "name").value if inside else None
    return name if isinstance(name, str) else None


def _unexpected(error: ValidationError) -> list[str]:
    return re.findall(r"'([^']+)'", error.message.rpartition("(")[2])


def _explain(error: ValidationError) -> tuple[str, str | None]:
    """What is wrong, in words, and what to do."""
    instance: Any = error.instance
    wanted: Any = error.validator_value
    if error.validator in _UNKNOWN:
        key = _unexpected(error)[0]
        return f"the standard has no key {key!r} here", suggest(key, _known_keys(_schema()))
    if error.validator == "required":
        if wanted == ["map"] and "logicalType" not in instance:  # the schema then takes it for a map
            return "logicalType is missing", "Write one of string, integer, number, boolean, date, timestamp."
        missing = ", ".join(key for key in wanted if key not in instance)
        return f"{missing} is missing", None
    if error.validator == "enum":
        return f"{_shown(instance)} is none of {', '.join(map(str, wanted))}", suggest(
            str(instance), list(map(str, wanted))
        )
    if error.validator == "type":
        names = [wanted] if isinstance(wanted, str) else wanted
        number = "string" in names and isinstance(instance, int | float)
        return (
            f"{_shown(instance)} is not {' or '.join(_TYPES[name] for name in names)}",
            "Put it in quotes." if number else None,
        )
    return error.message if len(
        error.message
    ) < 200 else f"it breaks the rule {error.validator!r} of the standard", None


def _shown(value: Any) -> str:
    kind = "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else None
    return kind or json.dumps(value, default=str)[:60]


def _known_keys(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        properties = schema.get("properties")
        yield from properties if isinstance(properties, dict) else ()
        for part in schema.values():
            yield from _known_keys(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _known_keys(part)


def _dotted(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
