"""Paths, URLs and parameters with days in them: `orders/{batch_date:%Y/%m/%d}.csv`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import Formatter

from ddcrm.contracts.document import Place
from ddcrm.contracts.odcs import suggest

_DAY_FORMAT = re.compile(r"(?:[^%]|%-?[YymdjbBaAGVu]|%%)*")


def check_placeholders(place: Place, known: Sequence[str]) -> str:
    """The text at a place if each `{...}` in it is a known day with a format of days; raises ContractError else."""
    text = str(place.value)
    try:
        fields = [
            (name, form or "", conversion) for _, name, form, conversion in Formatter().parse(text) if name is not None
        ]
    except ValueError:
        raise place.error(f"a brace in {text!r} never closes", "Write {{ and }} for braces themselves.") from None
    for name, form, conversion in fields:
        if name not in known or conversion:
            hint = suggest(name, list(known)) or f"Known are {', '.join('{' + word + '}' for word in known)}."
            raise place.error(f"there is no placeholder {{{name}}} for {text!r}", hint)
        if not _DAY_FORMAT.fullmatch(form):
            raise place.error(
                f"{form!r} is not a format of a day", "Write it with strftime's letters: {batch_date:%Y/%m/%d}."
            )
    return text


def has_day(text: object) -> bool:
    """Whether the text differs from day to day."""
    return isinstance(text, str) and ("{batch_date" in text or "{next_date" in text)
