"""Which errors are tried again."""

from __future__ import annotations

from typing import Any

import pytest

from ddcrm import errors

pytestmark = pytest.mark.xdist_group("airflow")
RETRYABLE = {
    "SourceUnavailableError", "ConcurrentWriteError", "WarehouseUnavailableError", "PublishBlockedError",
}  # fmt: skip


def every_error() -> list[type[errors.DdcrmError]]:
    kinds, found = [errors.DdcrmError], []
    while kinds:
        kind = kinds.pop()
        found.append(kind)
        kinds += [below for below in kind.__subclasses__() if below.__module__ == "ddcrm.errors"]
    return found


def decide(exception: BaseException) -> Any:
    from ddcrm_policy import RetryWhatCanPass

    return RetryWhatCanPass().evaluate(exception, try_number=1, max_tries=4)


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_an_error_of_the_library_says_itself_whether_it_is_tried_again(kind: type[errors.DdcrmError]) -> None:
    decision = decide(kind("what happened"))
    assert decision.action.value == ("retry" if kind.__name__ in RETRYABLE else "fail")
    assert kind.__name__ in decision.reason


@pytest.mark.parametrize(
    ("exception", "action"),
    [(ConnectionResetError(), "retry"), (TimeoutError(), "retry"), (KeyError("x"), "fail"), (MemoryError(), "fail"),
     (ImportError(), "fail"), (SystemExit(1), "fail")],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else value,
)  # fmt: skip
def test_other_exceptions(exception: BaseException, action: str) -> None:
    assert decide(exception).action.value == action


def test_a_task_that_took_too_long_is_tried_again() -> None:
    from airflow.sdk.exceptions import AirflowTaskTimeout

    assert decide(AirflowTaskTimeout()).action.value == "retry"
