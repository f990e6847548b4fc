"""Secrets that were written into a contract. They are named there, never written; no message repeats one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ddcrm.contracts.document import Document, Place
from ddcrm.errors import ContractError

_HINT = (
    "Name the secret (ddcrm.secret, or `secret:` of ddcrm.http.auth), set its value in DDCRM_SECRET_<NAME>, "
    "and change what leaked."
)
_WORDS = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|authorization|(?:api|access|private|secret|account)[_-]?key"
)
_KEY = re.compile(rf"(?:.*[_-])?(?:{_WORDS})|.*(?:Password|Secret|Token|ApiKey|AccessKey)", re.IGNORECASE)
_TEXTS = {
    "a password in a URL": re.compile(r"[a-z][a-z0-9+.-]*://[^\s/:@'\"]*:[^\s/@'\"]+@", re.IGNORECASE),
    "a password or token": re.compile(rf"(?<![\w-])(?:[a-z]+[_-])?(?:{_WORDS})=[^\s&'\"={{}}]+", re.IGNORECASE),
    "an authorization": re.compile(r"\b(?:bearer|basic)\s+(?=\S*\d)[a-z0-9+/=_.-]{16,}", re.IGNORECASE),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "an access token": re.compile(
        r"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeprs]-[\w-]{10,}|"
        r"[sr]k_(?:live|test)_\w{10,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
    ),
}


def refuse_secret_texts(text: str, file: Path) -> None:
    """Raise ContractError for the first line, comments included, in which a secret seems to stand."""
    for number, line in enumerate(text.splitlines(), 1):
        for what, pattern in _TEXTS.items():
            if pattern.search(line):
                raise ContractError(f"{what} is written into the contract", file=str(file), line=number, hint=_HINT)


def refuse_secret_keys(document: Document) -> None:
    """Raise ContractError for the first value whose key says that it is a secret (`token: ...`)."""
    for place in _scalars(Place(document)):
        name = _key(place)
        if name and place.value not in (None, "", True, False) and not _names_a_secret(place):
            raise place.error(f"the value of {name!r} looks like a secret", _HINT)


def _scalars(place: Place) -> Iterator[Place]:
    if not isinstance(place.value, dict | list):
        yield place
    for child in place:
        yield from _scalars(child)


def _key(place: Place) -> str | None:
    """The key of a value, or the `property` beside it, if it reads like that of a secret."""
    step = place.path[-1]
    above = Place(place.document, place.path[:-1])
    name = (above / "property").value if step == "value" else step
    matches = isinstance(name, str) and _KEY.fullmatch(name.rpartition(".")[2])
    return str(name) if matches else None


def _names_a_secret(place: Place) -> bool:
    """Whether this is one of the two places where a secret's name stands."""
    above = Place(place.document, place.path[:-1])
    if place.path[-1] == "value":
        return bool((above / "property").value == "ddcrm.secret")
    holder = Place(place.document, place.path[:-2])
    return place.path[-1] == "secret" and (holder / "property").value == "ddcrm.http.auth"
