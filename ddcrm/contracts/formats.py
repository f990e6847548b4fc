"""Date and time patterns as ODCS writes them (those of the JDK's DateTimeFormatter), for the engine's strptime."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ddcrm.errors import ContractError

_TOKEN = re.compile(r"'(?P<quoted>(?:[^']|'')*)'|(?P<letters>(?P<letter>[A-Za-z])(?P=letter)*)|(?P<other>[^A-Za-z'])")

_DIRECTIVES = {
    "y": "%Y", "yy": "%y", "yyyy": "%Y", "u": "%Y", "uu": "%y", "uuuu": "%Y",
    "M": "%-m", "MM": "%m", "MMM": "%b", "MMMM": "%B",
    "d": "%-d", "dd": "%d", "D": "%-j", "DDD": "%j",
    "E": "%a", "EE": "%a", "EEE": "%a", "EEEE": "%A",
    "H": "%-H", "HH": "%H", "h": "%-I", "hh": "%I", "a": "%p",
    "m": "%-M", "mm": "%M", "s": "%-S", "ss": "%S",
    "X": "%z", "XX": "%z", "XXX": "%z", "x": "%z", "xx": "%z", "xxx": "%z",
    "Z": "%z", "ZZ": "%z", "ZZZ": "%z", "ZZZZZ": "%z", "VV": "%Z", "z": "%Z",
} | {"S" * digits: "%g" if digits <= 3 else "%f" if digits <= 6 else "%n" for digits in range(1, 10)}  # fmt: skip

_HINTS = {
    "Y": "Write yyyy: YYYY is the year of the week, another year around New Year.",
    "D": "Write dd: D is the day of the year.",
    "L": "Write MMM or MMMM.",
    "k": "Write HH.",
    "K": "Write hh and a.",
    "n": "Write SSSSSS for a fraction of a second.",
}


def to_strptime(pattern: str) -> str:
    """The strptime format of DuckDB for an ODCS pattern; raises ContractError for what it does not know.

    >>> to_strptime("yyyy-MM-dd'T'HH:mm:ss.SSSXXX")
    '%Y-%m-%dT%H:%M:%S.%g%z'
    """
    return "".join(_converted(pattern))


def check_day_pattern(pattern: str) -> str:
    """The strptime format of a pattern that tells a day; raises ContractError where year, month or day is missing."""
    strptime = to_strptime(pattern)
    parts = set(re.findall(r"%-?([a-zA-Z])", strptime))
    for letters, what in (("yY", "year: yyyy"), ("mbBj", "month: MM (mm are the minutes)"), ("dj", "day: dd")):
        if not parts & set(letters):
            raise ContractError(f"the pattern {pattern!r} has no {what.split(':')[0]}", hint=f"A {what}.")
    if "I" in parts and "p" not in parts:
        raise ContractError(
            f"the pattern {pattern!r} has hours of a half day without AM or PM", hint="Write HH, or add a."
        )
    return strptime


def _converted(pattern: str) -> Iterator[str]:
    position = 0
    while position < len(pattern):
        match = _TOKEN.match(pattern, position)
        if match is None:
            raise ContractError(f"a quote in the pattern {pattern!r} never closes", hint="Write '' for a quote itself.")
        yield _directive(match, pattern)
        position = match.end()


def _directive(match: re.Match[str], pattern: str) -> str:
    if match["letters"]:
        letters = match["letters"]
        if letters not in _DIRECTIVES:
            hint = _HINTS.get(letters[0], "Text that is meant as such stands in quotes: 'T'.")
            raise ContractError(f"the pattern {pattern!r} has letters that are not known: {letters}", hint=hint)
        return _DIRECTIVES[letters]
    if match["other"]:
        if match["other"] in "[]{}#":
            raise ContractError(f"the pattern {pattern!r} has an optional section, which is not supported",
                                hint="Use transformLogic where a column holds several formats.")  # fmt: skip
        return match["other"].replace("%", "%%")
    return (match["quoted"].replace("''", "'") or "'").replace("%", "%%")
