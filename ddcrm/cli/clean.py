"""`ddcrm clean`: tells what can go, then removes it."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from ddcrm.cli.output import Output

if TYPE_CHECKING:
    from ddcrm.pipeline.clean import Leftover


def clean(out: Output, *, dry_run: bool, yes: bool) -> None:
    """Print what can go, and, where that is answered with yes, remove it; with --json nothing is asked."""
    from ddcrm.pipeline import clean as steps

    found = steps.leftovers(out.settings)
    _show(out, found)
    out.document["removed"] = False
    if not found or dry_run or not (yes or (not out.json and typer.confirm("Remove it?"))):
        return
    steps.clean(out.settings, who=getpass.getuser())
    out.document["removed"] = True
    out.say("it is removed")


def _show(out: Output, found: Sequence[Leftover]) -> None:
    for each in found:
        out.add("leftovers", each.as_dict())
    if not found:
        out.say("nothing to remove")
        return
    out.table([(each.kind, each.what, each.number, size(each.size)) for each in found],
              ("kind", "what", "number", "size"))  # fmt: skip
    out.say(f"{size(sum(each.size for each in found))} in all")


def size(number: float) -> str:
    """Bytes in words, in powers of 1024."""
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"
