"""What one check found: counts, and aggregates that give nobody away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ddcrm.contracts.model import Severity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Status = Literal["passed", "failed", "error"]


def _no_rows() -> NDArray[np.int64]:
    import numpy as np

    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class CheckResult:
    """One check of one batch or table; nothing in it but `row_ids` depends on a single row's values."""

    suite: str  # the suite, or freshness, volume
    expectation: str  # its type
    column: str | None  # several are joined by ", "
    severity: Severity
    status: Status  # "error": the check itself raised, which says nothing about the data
    evaluated: int | None = None  # rows looked at: without those that the expectation skips (nulls, a row_condition)
    failing: int | None = None  # rows that fail; None for an aggregate
    observed: Mapping[str, Any] | None = None  # JSON-ready; of personal columns counts and shares only
    message: str = ""  # one sentence
    is_row_level: bool = False  # about each row alone: its failing rows can be set aside
    requirement: str = ""  # what the suite asks for, in words
    row_ids: NDArray[np.int64] = field(default_factory=_no_rows, repr=False, compare=False)  # rows that made it fail

    @property
    def reason(self) -> str:
        """Why a row was set aside, in a few words that are the same for all rows (so that they can be counted)."""
        asked = f" ({self.requirement})" if self.requirement else ""
        return f"{self.column}: {self.expectation}{asked}".replace(";", ",")

    def as_dict(self) -> dict[str, Any]:
        """The check as the ledger keeps it, ready for JSON."""
        return {
            "suite": self.suite,
            "expectation": self.expectation,
            "column": self.column,
            "severity": self.severity,
            "status": self.status,
            "evaluated": self.evaluated,
            "failing": self.failing,
            "observed": None if self.observed is None else dict(self.observed),
            "message": self.message,
        }
