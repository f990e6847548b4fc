"""The commands about versions of contracts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ddcrm.cli.output import Output
from ddcrm.dates import parse_day
from ddcrm.errors import ContractError

if TYPE_CHECKING:
    from ddcrm.contracts.choose import Contracts
    from ddcrm.contracts.model import Contract
    from ddcrm.pipeline.propose import Proposal


def diff(out: Output, source: str, old: str, new: str) -> None:
    """Each change of `new` against `old`, with its class and the reason."""
    from ddcrm.contracts import load_contracts
    from ddcrm.contracts.change import classify, worst
    from ddcrm.contracts.diff import diff as compare
    from ddcrm.contracts.wording import sentence

    contracts = load_contracts(out.settings.contracts_dir)
    changes = compare(version(contracts, source, old), version(contracts, source, new))
    verdicts = [classify(change, out.settings.changes) for change in changes]
    out.document |= {"source": source, "old": old, "new": new, "class": worst([each.level for each in verdicts])}
    out.document["changes"] = [
        {"kind": change.kind, "column": change.column, "class": verdict.level, "reason": verdict.reason,
         "text": sentence(change), **dict(change.facts)}
        for change, verdict in zip(changes, verdicts, strict=True)
    ]  # fmt: skip
    out.say(f"{source} {old} to {new}: " + (f"{len(changes)} changes, {out.document['class']}" if changes else "equal"))
    for change, verdict in zip(changes, verdicts, strict=True):
        out.say(f"    {verdict.level}: {sentence(change)} ({verdict.reason})")


def propose(out: Output, source: str, batch: str, version: str | None, target: Path | None, *, active: bool) -> None:
    """Write the proposal, and say what was decided and what was not."""
    from ddcrm.pipeline.propose import propose as step
    from ddcrm.pipeline.propose import write

    found = step(out.settings, source, parse_day(batch, "--batch"), version, "active" if active else "proposed")
    out.document |= {"source": source, "batch": batch, "based_on": found.based_on, "version": found.version,
                     "decided": list(found.decided), "undecided": list(found.undecided),
                     "reads": found.reads}  # fmt: skip
    if found.empty:
        out.document |= {"version": None, "file": None}
        out.say(f"version {found.based_on} reads the batch of {batch} as it is: there is nothing to propose")
        return
    file = write(found, target or out.settings.contracts_dir / source / f"{found.version}.yaml")
    out.document["file"] = str(file)
    _say_proposed(out, found, file, active)


def _say_proposed(out: Output, found: Proposal, file: Path, active: bool) -> None:
    out.say(f"{found.source} {found.version}, from {found.day} on, proposed in {file}:")
    for line in found.decided:
        out.say(f"    {line}")
    for line in found.undecided:
        out.say(f"    not decided: {line}")
    counts = found.counts.totals() if found.counts else {}
    rows = ", ".join(f"{number:,} {name}" for name, number in counts.items() if number)
    out.say(f"    the batch under it: {rows or 'it can not be read'}" + ("" if found.reads else "; it is not accepted"))
    out.say("Read its comments, correct what is wrong" + ("" if active else ", say `status: active`") + ", commit it, "
            f"then run the day again: ddcrm ingest {found.source} --date {found.day}")  # fmt: skip


def version(contracts: Contracts, source: str, wanted: str) -> Contract:
    """A version of a source; raises ContractError naming those that there are."""
    versions = {contract.version: contract for contract in contracts.versions(source)}
    if wanted not in versions:
        raise ContractError(f"there is no version {wanted!r}", source=source, hint=f"There are {', '.join(versions)}.")
    return versions[wanted]
