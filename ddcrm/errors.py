"""The tree of errors. Each one keeps its facts as fields and says what happened, where, and what to do.

DdcrmError
├── SettingsError               a setting is missing or wrong
├── ContractError               a contract is not valid
├── SourceError                 a source could not be read
│   ├── SourceUnavailableError  ... now: it may answer later (retry)
│   ├── SourceAuthError         ... it refuses the credentials
│   ├── MissingDataError        ... the partition is not there, or empty
│   │   └── EarlierBatchMissingError  ... or an earlier one is not
│   ├── MalformedDataError      ... the bytes can't be read as the contract says
│   └── SchemaChangedError      ... what arrived is not what the contract says
├── QualityError
│   ├── SuiteError              an expectation suite is wrong, or a check itself raised
│   └── BatchRejectedError      the data failed the gate
├── LakeError                   the lake could not be written or read
│   ├── ConcurrentWriteError    ... another writer was faster too often (retry)
│   └── StorageFullError        ... no space left
├── ModelError
│   ├── ConvergenceError        a fit did not converge
│   ├── InsufficientDataError   too little data to fit or score
│   └── ModelNotFoundError      no model was trained on or before the as_of
└── WarehouseError
    ├── WarehouseUnavailableError  it does not answer (retry)
    ├── PublishError            a day could not be published
    │   └── PublishBlockedError ... now: readers hold its tables (retry)
    └── RestatementError        a restatement can't do what is asked of it in its state
        └── PlanOutdatedError   ... what it was planned on has changed since

The demo, `ddcrm backfill` and the plugins add their own.
"""

from __future__ import annotations

from typing import Any, ClassVar


class DdcrmError(Exception):
    """Base of all errors; `retryable` says whether the same call may succeed later without a change."""

    retryable: ClassVar[bool] = False

    def __init__(self, message: str = "", *, hint: str | None = None, **facts: Any) -> None:
        self.message = message
        self.hint = hint
        self.facts = {name: value for name, value in facts.items() if value is not None}
        super().__init__(self._text())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "facts":
            raise AttributeError(name)
        return self.facts.get(name)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.hint, self.facts)

    def _text(self) -> str:
        where = ", ".join(f"{name} {value}" for name, value in self.facts.items())
        text = f"{self.message} ({where})" if where and self.message else self.message or where
        stop = "" if text.endswith((".", "?", "!")) else "."
        return f"{text}{stop} {self.hint}" if self.hint else text

    def as_dict(self) -> dict[str, Any]:
        """The error as JSON-ready values: type, message, hint and facts."""
        facts = {
            name: value if isinstance(value, int | float | bool) else str(value) for name, value in self.facts.items()
        }
        return {
            "error": type(self).__name__,
            "message": self.message,
            "hint": self.hint,
            "retryable": self.retryable,
            **facts,
        }


def _rebuild(kind: type[DdcrmError], message: str, hint: str | None, facts: dict[str, Any]) -> DdcrmError:
    error = kind.__new__(kind)
    DdcrmError.__init__(error, message, hint=hint, **facts)
    return error


class SettingsError(DdcrmError):
    """A setting is missing or wrong."""


class ContractError(DdcrmError):
    """A contract is not valid; facts: file, version, column, line."""


# sources


class SourceError(DdcrmError):
    """A source could not be read; facts: source, partition, file, row, column."""


class SourceUnavailableError(SourceError):
    """The source does not answer now; it may later."""

    retryable = True


class SourceAuthError(SourceError):
    """The source refuses the credentials."""


class MissingDataError(SourceError):
    """The partition is not there, or there is nothing in it."""


class EarlierBatchMissingError(MissingDataError):
    """Batches of earlier days, on which a day's scores build, are not in the lake."""


class MalformedDataError(SourceError):
    """The bytes can't be read as the contract says; facts name the row (line) and, where known, the column."""


class SchemaChangedError(SourceError):
    """What arrived is not what the contract says (docs/schema-changes.md); facts: column, missing, added, row."""


# quality


class QualityError(DdcrmError):
    """Base of what the checks report."""


class SuiteError(QualityError):
    """A suite is wrong, or one of its checks raised: an error of the check, not bad data."""


class BatchRejectedError(QualityError):
    """A batch or a table failed the gate; facts: source or table, partition, expectation, column."""


# lake


class LakeError(DdcrmError):
    """The lake could not be written or read."""


class ConcurrentWriteError(LakeError):
    """Other writers of the same partitions were faster, again and again."""

    retryable = True


class StorageFullError(LakeError):
    """There is no space left where the lake stands."""


# models


class ModelError(DdcrmError):
    """Base of what training and scoring report; facts: model, reason."""

    def __init__(
        self,
        message: str = "",
        *,
        model: str | None = None,
        reason: str | None = None,
        hint: str | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(message or self._default(), model=model, reason=reason, hint=hint, **facts)

    def _default(self) -> str:
        return (self.__doc__ or "model error").splitlines()[0].rstrip(".")


class ConvergenceError(ModelError):
    """The fit did not converge."""


class InsufficientDataError(ModelError):
    """There is too little data for this model."""


class ModelNotFoundError(ModelError):
    """No model was trained on or before the as_of."""


# warehouse


class WarehouseError(DdcrmError):
    """The warehouse could not be read or written; facts: url (without its password), table, as_of."""


class WarehouseUnavailableError(WarehouseError):
    """The warehouse does not answer."""

    retryable = True


class PublishError(WarehouseError):
    """A day could not be published; what was current stays current."""


class PublishBlockedError(PublishError):
    """Readers held the tables of the day for too long; facts: as_of, sessions."""

    retryable = True


class RestatementError(WarehouseError):
    """A restatement can't do what is asked of it in its state; facts: restatement, state."""


class PlanOutdatedError(RestatementError):
    """What a restatement was planned on has changed since; facts: restatement, days."""
