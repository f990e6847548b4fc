"""A task's body: the business day, and what is left of an error."""

from __future__ import annotations

import logging
import re
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ddcrm.errors import MalformedDataError, SettingsError
from ddcrm.progress import point
from tests.pipeline.shop import Shop

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


def test_a_day_that_is_not_over_where_the_source_is_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop, zone = Shop(tmp_path / "shop").make(), "Pacific/Kiritimati"
    contract = shop.folder / "contracts/orders/1.0.0.yaml"
    contract.write_text(re.sub("timezone, value: [^}]*", f"timezone, value: {zone}", contract.read_text()))
    monkeypatch.setenv("DDCRM_PROJECT_DIR", str(shop.folder))
    today = datetime.now(ZoneInfo(zone)).date()
    with pytest.raises(SettingsError, match=f"not over yet: it ends at {today + timedelta(days=1)}") as caught:
        in_run(monkeypatch, str(today)).check_day("orders")
    assert (caught.value.source, caught.value.partition) == ("orders", str(today))
    in_run(monkeypatch, str(today - timedelta(days=1))).check_day("orders")


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


@pytest.mark.parametrize(("raised", "retried"), [(ValueError, False), (ConnectionResetError, True)])
def test_an_error_of_a_library_is_told_without_what_it_quotes(
    steps: Any, caplog: pytest.LogCaptureFixture, raised: type[Exception], retried: bool
) -> None:
    from ddcrm_policy import can_pass

    value = "jane@example.com"

    def step(*_: Any) -> Any:
        raise raised(f"could not convert {value!r}")

    with caplog.at_level(logging.INFO, "ddcrm.task"), pytest.raises(steps.UnexpectedError) as caught:
        steps.day_step(step)
    assert can_pass(caught.value) == retried
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert f"an unexpected {raised.__name__}: could not convert" in str(caught.value)
    told = "".join(record.getMessage() for record in caplog.records)
    assert "test_steps.py" in told, "where it was raised"
    assert "jane" not in told + str(caught.value)


def test_progress_goes_to_the_log(steps: Any, caplog: pytest.LogCaptureFixture) -> None:
    def step(*_: Any) -> Any:
        point("land.written", rows=12)
        return SimpleNamespace(as_dict=dict)

    with caplog.at_level(logging.INFO, "ddcrm.task"):
        steps.day_step(step)
    assert [record.getMessage() for record in caplog.records] == ["land.written rows=12"]
