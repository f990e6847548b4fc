"""The gate: what the results of the checks mean for a batch or a table. Pure: nothing is read or written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ddcrm.errors import BatchRejectedError, QualityError, SuiteError
from ddcrm.quality.result import CheckResult

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Quarantined:
    """The rows to set aside: ids in ascending order, and for each its reasons, joined by "; "."""

    row_ids: NDArray[np.int64]
    reasons: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.row_ids)

    def as_dict(self) -> dict[int, str]:
        """Row id to reasons."""
        return dict(zip(self.row_ids.tolist(), self.reasons.tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class Verdict:
    """What is to be done: publish without the `quarantined` rows, or stop with `error()`."""

    accepted: bool
    rows: int  # rows that were checked
    quarantined: Quarantined
    rejected_by: tuple[CheckResult, ...] = ()
    errors: tuple[CheckResult, ...] = ()
    warnings: tuple[CheckResult, ...] = ()  # failed with severity warning or info
    message: str = ""  # why it is not accepted
    counts: dict[str, int] = field(default_factory=dict)  # of the checks, by status

    def error(self, **facts: Any) -> QualityError | None:
        """The error to raise, with the caller's facts (source, partition, table); None where it is accepted."""
        if self.accepted:
            return None
        first = (self.errors or self.rejected_by)[0]
        kind = SuiteError if self.errors else BatchRejectedError
        named = {"suite": first.suite, "expectation": first.expectation, "column": first.column}
        hint = "Mend the check: the data was not judged." if self.errors else "See ops.validations for all checks."
        return kind(self.message, hint=hint, **{**facts, **named})

    def as_dict(self) -> dict[str, Any]:
        """Counts, ready for JSON."""
        return {"accepted": self.accepted, "rows": self.rows, "quarantined": len(self.quarantined), **self.counts}


def decide(
    results: Sequence[CheckResult], rows: int, max_quarantined_share: float, *, already_quarantined: int = 0
) -> Verdict:
    """Accept, accept without some rows, or reject.

    A check that raised stops the batch, whatever its severity: the data was not judged. A failed `critical` check stops
    it too, unless it is about rows and all rows that fail critical checks, counted once, are together with those
    `already_quarantined` at most `max_quarantined_share` of all (0.02: 2 %); then these rows are set aside. `warning`
    and `info` only count. `rows` is the number of rows checked, those `already_quarantined` not among them; whether
    these are too many by themselves is not asked here.
    """
    errors = tuple(result for result in results if result.status == "error")
    failed = [result for result in results if result.status == "failed"]
    critical = [result for result in failed if result.severity == "critical"]
    by_row = [result for result in critical if _is_separable(result)]
    whole = [result for result in critical if not _is_separable(result)]
    ids = _union(by_row)
    tolerated = _tolerated(rows + already_quarantined, max_quarantined_share)
    too_many = bool(len(ids)) and len(ids) + already_quarantined > tolerated
    rejected_by = (*whole, *(by_row if too_many else ()))
    accepted = not errors and not rejected_by
    said = _message(errors, whole, by_row, len(ids) + already_quarantined, rows + already_quarantined, tolerated)
    return Verdict(
        accepted,
        rows,
        _quarantined(ids, by_row) if accepted else _quarantined(ids[:0], ()),
        rejected_by,
        errors,
        tuple(result for result in failed if result.severity != "critical"),
        said,
        dict(Counter(result.status for result in results)),
    )


def _is_separable(result: CheckResult) -> bool:
    """Whether the failing rows are known, all of them, so that the rest can go on without them."""
    return result.is_row_level and result.failing is not None and 0 < result.failing == len(result.row_ids)


def _tolerated(rows: int, share: float) -> int:
    """The most rows that may be quarantined, counted exactly: 29 of 100 are within .29, which floats deny."""
    return int(Decimal(str(share)) * rows)


def _union(results: Sequence[CheckResult]) -> NDArray[np.int64]:
    import numpy as np

    return np.unique(np.concatenate([np.empty(0, dtype=np.int64), *(result.row_ids for result in results)]))


def _quarantined(ids: NDArray[np.int64], results: Sequence[CheckResult]) -> Quarantined:
    """The reasons of each row: one text for each combination of checks that occurs."""
    import numpy as np

    hit = np.zeros((len(ids), len(results)), dtype=bool)
    for column, result in enumerate(results):
        hit[np.searchsorted(ids, result.row_ids), column] = True
    combinations, which = np.unique(hit, axis=0, return_inverse=True)
    texts = ["; ".join(result.reason for result, failed in zip(results, row, strict=True) if failed)
             for row in combinations]  # fmt: skip
    return Quarantined(ids, np.array(texts, dtype=object)[which.reshape(-1)])


def _message(
    errors: Sequence[CheckResult],
    whole: Sequence[CheckResult],
    by_row: Sequence[CheckResult],
    failing: int,
    rows: int,
    tolerated: int,
) -> str:
    if errors:
        return f"{_number(errors, 'check')} could not be judged: {_sentences(errors)}"
    if whole:
        return f"{_number(whole, 'critical check')} failed: {_sentences(whole)}"
    if failing > tolerated and by_row:
        return f"{failing:,} of {rows:,} rows would be quarantined, {tolerated:,} are tolerated: {_sentences(by_row)}"
    return ""


def _number(results: Sequence[CheckResult], what: str) -> str:
    return f"{len(results)} {what}{'s' if len(results) > 1 else ''}"


def _sentences(results: Sequence[CheckResult], most: int = 3) -> str:
    more = f", and {len(results) - most} more" if len(results) > most else ""
    return "; ".join(result.message for result in results[:most]) + more
