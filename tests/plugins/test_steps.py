"""A task's body: the business day, and what is left of an error."""

from __future__ import annotations

import logging
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from ddcrm.errors import MalformedDataError, SettingsError
from ddcrm.progress import point

pytestmark = pytest.mark.xdist_group("airflow")


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, in a run of 2026-03-05."""
    return in_run(monkeypatch, "2026-03-05")


def in_run(monkeypatch: pytest.MonkeyPatch, key: str | None) -> Any:
    import ddcrm_steps

    run = SimpleNamespace(partition_key=key, run_id="manual-1", dag_id="crm_ingest")
    monkeypatch.setattr(ddcrm_steps, "get_current_context", lambda: {"dag_run": run, "params": {}})
    return ddcrm_steps


def test_the_step_gets_settings_source_and_day(steps: Any) -> None:
    seen: list[Any] = []

    def step(*arguments: Any) -> Any:
        seen.extend(arguments)
        return SimpleNamespace(as_dict=lambda: {"rows": 3})

    assert steps.source_step(step, "orders") == {"rows": 3}
    assert (seen[1], str(seen[2])) == ("orders", "2026-03-05")
    assert steps.day_step(lambda settings, day: SimpleNamespace(as_dict=lambda: {"day": day})) == {
        "day": date(2026, 3, 5)
    }


@pytest.mark.parametrize(("key", "message"), [(None, "no partition key"), ("2026-W10", "'2026-W10' is not a day")])
def test_a_run_needs_a_day(monkeypatch: pytest.MonkeyPatch, key: str | None, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        in_run(monkeypatch, key).business_day()


def test_an_error_is_one_message_without_what_lay_below_it(steps: Any, caplog: pytest.LogCaptureFixture) -> None:
    def step(*_: Any) -> Any:
        try:
            raise ValueError("jane@example.com is not a number")
        except ValueError as error:
            raise MalformedDataError("not a number", source="orders", row=7) from error

    with caplog.at_level(logging.INFO, "ddcrm.task"), pytest.raises(MalformedDataError) as caught:
        steps.source_step(step, "orders")
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert [record.getMessage() for record in caplog.records] == [
        "MalformedDataError: not a number (source orders, row 7)"
    ]


def test_progress_goes_to_the_log(steps: Any, caplog: pytest.LogCaptureFixture) -> None:
    def step(*_: Any) -> Any:
        point("land.written", rows=12)
        return SimpleNamespace(as_dict=dict)

    with caplog.at_level(logging.INFO, "ddcrm.task"):
        steps.day_step(step)
    assert [record.getMessage() for record in caplog.records] == ["land.written rows=12"]
