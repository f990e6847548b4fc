"""The next version of a contract, proposed from a batch that its version in force does not read as it should."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from ddcrm.contracts.change import Change, classify, worst
from ddcrm.contracts.draft import Draft
from ddcrm.contracts.model import Contract
from ddcrm.dates import DateRange
from ddcrm.errors import ContractError, SchemaChangedError
from ddcrm.settings import Settings

if TYPE_CHECKING:
    from ddcrm.contracts.choose import Contracts
    from ddcrm.lake.counts import DayCounts
    from ddcrm.lake.engine import Engine
    from ddcrm.warehouse.ledger import Ledger

_ROUNDS = 8  # a rename comes to light first, then the unit of what was renamed, ...
_VALUES = 50  # new values of an enumeration; each in two rows at least: one alone may be a slip
_ANOTHER_SIZE = 5.0  # a median that is so many times another one is none of the same unit, most likely
_NUMBERS = ("integer", "double", "decimal")
_PARTS = {"breaking": 0, "attention": 1, "compatible": 2}


@dataclass(frozen=True)
class Proposal:
    """A version that reads the batch, as far as it could be decided; nothing is written yet."""

    source: str
    day: date
    based_on: str
    version: str
    text: str
    decided: tuple[str, ...]  # what was changed
    undecided: tuple[str, ...]  # what a person has to decide
    counts: DayCounts | None  # where the batch's rows would go; None where it can't be read
    reads: bool  # whether the batch would be accepted, as far as the contract alone decides

    @property
    def empty(self) -> bool:
        """Whether the version in force reads the batch as it is."""
        return not (self.decided or self.undecided)


def propose(
    settings: Settings, source: str, day: date, version: str | None = None, status: str = "proposed"
) -> Proposal:
    """Find out what changed in the landed batch of `day` and write it into the text of the contract in force.

    Raises MissingDataError where the batch has not landed, ContractError for a version that is there already.
    """
    from ddcrm.contracts import load_contracts
    from ddcrm.contracts.document import read_text
    from ddcrm.lake.engine import Engine
    from ddcrm.pipeline.record import opened

    contracts = load_contracts(settings.contracts_dir)
    contract = contracts.for_batch(source, day)
    file = Path(str(contract.file))
    with opened(settings) as ledger, Engine(settings) as engine:
        work = _Work(engine, ledger, contracts, day, Draft(read_text(file), file))
        work.run()
        return work.proposal(contract, version, status)


class _Work:
    """The draft, and what was decided on the way."""

    def __init__(self, engine: Engine, ledger: Ledger, contracts: Contracts, day: date, draft: Draft) -> None:
        self.engine, self.ledger, self.contracts, self.day, self.draft = engine, ledger, contracts, day, draft
        self.decided: list[str] = []
        self.undecided: list[str] = []
        self.counts: DayCounts | None = None
        self.added: dict[str, None] = {}  # columns that appeared
        self.renamed: list[Change] = []
        self.done: set[tuple[str, str | None]] = set()

    @property
    def contract(self) -> Contract:
        from ddcrm.contracts.load import load_text

        return load_text(self.draft.text, self.draft.file)

    def run(self) -> None:
        """Amend the draft until the batch shows no change that was not dealt with."""
        for _ in range(_ROUNDS):
            new = [change for change in self._changes() if (change.kind, change.column) not in self.done]
            new = new or self._units_of_renamed()
            if not new:
                return
            for change in new:
                self._amend(change)

    def _units_of_renamed(self) -> list[Change]:
        """Where the batch was too small to judge sizes, but what was renamed is of another size than before."""
        found = []
        for change in self.renamed:
            ratio, factor = change.facts.get("ratio", 1.0), change.facts.get("factor")
            names = [column.name for column in self.contract.columns
                     if column.source_name == change.facts["now"] and column.type.startswith(_NUMBERS)]  # fmt: skip
            facts = {"ratio": ratio, "certain": factor is not None, **({"factor": factor} if factor else {})}
            if not 1 / _ANOTHER_SIZE < ratio < _ANOTHER_SIZE:
                found += [Change("unit_changed", name, facts) for name in names]
        self.renamed = []
        judged = {column for kind, column in self.done if kind in ("unit_changed", "distribution_shifted")}
        return [change for change in found if change.column not in judged]

    def _amend(self, change: Change) -> None:
        from ddcrm.contracts.amend import amend
        from ddcrm.contracts.wording import sentence

        self.done.add((change.kind, change.column))
        self.renamed += [change] if change.kind == "column_renamed" else []
        amended = amend(self.draft, self.contract, change)
        self.draft = amended.draft
        if amended.decided:
            self.decided.append(amended.decided)
        else:
            self.undecided.append(sentence(change))

    def _changes(self) -> list[Change]:
        from ddcrm.contracts.amend import SILENT
        from ddcrm.lake.candidates import trial
        from ddcrm.pipeline.detect import batch_changes_of, columns_named, missing_columns
        from ddcrm.pipeline.earlier import history_before

        contract, self.counts = self.contract, None
        history = history_before(self.engine, self.ledger, self.contracts, contract, self.day)
        try:
            with trial(self.engine, contract, DateRange(self.day, self.day)) as candidate:
                self.counts = candidate.counts[self.day]
                changes = [found.change for found in batch_changes_of(self.engine, self.ledger, candidate, history)]
                grown = self._new_values(contract)
                told = {change.column for change in grown}
                changes = [each for each in changes if each.kind != "enum_grown" or each.column not in told] + grown
        except SchemaChangedError as error:
            changes = missing_columns(self.engine, contract, self.day, *columns_named(contract, error))
        self.added = dict.fromkeys(str(each.column) for each in changes if each.kind == "column_added")
        return [change for change in changes if change.kind not in SILENT]

    def _new_values(self, contract: Contract) -> list[Change]:
        """Of enumerations also values that few rows have: `channel` may gain one slowly."""
        from ddcrm.lake.evidence import new_values

        rows = max(1, self.counts.landed if self.counts else 1)
        quarantined = self.counts.quarantined if self.counts else {}
        found = {column.name: new_values(self.engine, contract, column, self.day, _VALUES, least=2)
                 for column in contract.columns if column.enum}  # fmt: skip
        seen = {name: quarantined.get(f"{name}: not in the enumeration", 0) for name in found}
        return [Change("enum_grown", name, {"values": values, "rows": seen[name], "share": seen[name] / rows})
                for name, values in found.items() if values]  # fmt: skip

    def proposal(self, old: Contract, version: str | None, status: str) -> Proposal:
        """The draft as a version of its own, with what it says of itself in the head of the file."""
        from ddcrm.contracts.load import load_text

        self._suggest()
        number = version or self._next(old)
        file = self.draft.file.with_name(f"{number}.yaml")
        taken = number in {each.version for each in self.contracts.versions(old.source)}
        if taken and (self.decided or self.undecided):
            hint = "Remove it if it is an older proposal, or name another one with --version."
            raise ContractError(f"version {number} is there already", source=old.source, file=str(file), hint=hint)
        text = self._finished(old, number, status)
        load_text(text, file)
        return Proposal(old.source, self.day, old.version, number, text, tuple(self.decided), tuple(self.undecided),
                        self.counts, self._reads())  # fmt: skip

    def _finished(self, old: Contract, version: str, status: str) -> str:
        from ddcrm.contracts.amend import for_day

        head = [f"Proposed from version {old.version} and the batch of {self.day}: read the comments, correct what is "
                "wrong,", "say `status: active`, and commit it."]  # fmt: skip
        head += [f"NOT DECIDED: {each}." for each in self.undecided]
        draft = for_day(self.draft, version, str(self.day), status)
        return "".join(f"# {line}\n" for line in head) + draft.text

    def _next(self, old: Contract) -> str:
        from ddcrm.contracts.diff import diff
        from ddcrm.contracts.semver import raised

        levels = [classify(change, self.engine.settings.changes).level for change in diff(old, self.contract)]
        return raised(old.version, _PARTS[worst(levels)])

    def _suggest(self) -> None:
        from ddcrm.contracts.amend import suggest_columns
        from ddcrm.lake.evidence import looks_like

        contract = self.contract
        known = [(name, *looks_like(self.engine, contract, name, self.day)) for name in self.added]
        self.draft = suggest_columns(self.draft, contract, known)

    def _reads(self) -> bool:
        """Whether no more rows would be quarantined than the contract tolerates; the suite was not asked."""
        if self.counts is None or self._left():
            return False
        judged = self.counts.landed - self.counts.excluded.total()
        return self.counts.quarantined.total() <= self.contract.max_quarantined_share * judged + 1e-9

    def _left(self) -> bool:
        """Whether something breaking is left to a person."""
        limits = self.engine.settings.changes
        left = [change for change in self._changes() if classify(change, limits).level == "breaking"]
        return bool(left)


def write(proposal: Proposal, target: Path) -> Path:
    """Write the proposal's text to a file; raises ContractError where it is there already, or can't be written."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write(proposal.text)
    except FileExistsError:
        raise ContractError("the file is there already", file=str(target), hint="Name another one.") from None
    except OSError as error:
        raise ContractError(f"the file can't be written: {error.strerror or error}", file=str(target)) from None
    return target
