"""The commands about versions of contracts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddcrm.cli.output import Output
from ddcrm.errors import ContractError

if TYPE_CHECKING:
    from ddcrm.contracts.choose import Contracts
    from ddcrm.contracts.model import Contract


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


def version(contracts: Contracts, source: str, wanted: str) -> Contract:
    """A version of a source; raises ContractError naming those that there are."""
    versions = {contract.version: contract for contract in contracts.versions(source)}
    if wanted not in versions:
        raise ContractError(f"there is no version {wanted!r}", source=source, hint=f"There are {', '.join(versions)}.")
    return versions[wanted]
