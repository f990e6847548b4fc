"""Alerts: what they say, and that they arrive at a webhook and at a mail server."""

from __future__ import annotations

import asyncio
import json
import logging
import socketserver
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.webhook import Posted
from tests.webhook import webhook as listening

pytestmark = pytest.mark.xdist_group("airflow")
RUN = {"dag_id": "crm_score", "dag_run_id": "run-1", "partition_key": "2026-03-05", "run_type": "scheduled"}
MISSED = {"dag_run": RUN, "deadline": {"id": "1", "deadline_time": "2026-03-06T02:00:00Z"}}


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Posted]:
    """What was posted: path, authorization, body."""
    with listening(password="t0ken", extra={"path": "/hook"}) as (connection, posted):
        monkeypatch.setenv("AIRFLOW_CONN_DDCRM_ALERTS", connection)
        yield posted


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The mails that a server of the smallest kind has taken."""
    mails: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            for line in self.rfile:
                if line.upper().startswith(b"DATA"):
                    self.wfile.write(b"354 go on\r\n")
                    mails.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
                self.wfile.write(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 well\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AIRFLOW_CONN_DDCRM_ALERTS", json.dumps(
            {"conn_type": "smtp", "host": "127.0.0.1", "port": server.server_address[1],
             "extra": {"from": "crm@example.com", "to": "team@example.com", "starttls": False}}))  # fmt: skip
        yield mails
        server.shutdown()


def notifier(event: str = "deadline missed") -> Any:
    from ddcrm_notifier import CrmNotifier

    return CrmNotifier(event=event, message="The scores are late.")


def alerts(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(record.args[0]) for record in caplog.records if record.name == "ddcrm.alert"]


def test_a_missed_deadline_reaches_the_webhook(webhook: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    """As the triggerer calls it."""
    from ddcrm_notifier import CrmNotifier

    async def fire() -> None:
        await CrmNotifier(event="deadline missed", message="The scores are late.", context=MISSED)

    with caplog.at_level(logging.ERROR, "ddcrm.alert"):
        asyncio.run(fire())
    [(path, authorization, body)] = webhook
    assert (path, authorization) == ("/hook", "Bearer t0ken")
    assert body == {
        "text": "ddcrm crm_score 2026-03-05: deadline missed. The scores are late.", "event": "deadline missed",
        "message": "The scores are late.", "dag_id": "crm_score", "run_id": "run-1", "partition_key": "2026-03-05",
        "run_type": "scheduled", "deadline": "2026-03-06T02:00:00Z",
    }  # fmt: skip
    assert [alert["event"] for alert in alerts(caplog)] == ["deadline missed"]


def test_a_failed_run_reaches_the_webhook(webhook: list[Any]) -> None:
    """As the DAG processor calls it, with a run that is an object."""
    run = SimpleNamespace(dag_id="crm_ingest", run_id="r", partition_key="2026-03-05", run_type="backfill")
    notifier("run failed")({"dag_run": run})
    assert [body["text"] for _, _, body in webhook] == ["ddcrm crm_ingest 2026-03-05: run failed. The scores are late."]


def test_a_backfill_that_waits_its_turn_is_logged_only(webhook: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "ddcrm.alert"):
        asyncio.run(notifier().async_notify({"dag_run": RUN | {"run_type": "backfill"}}))
    assert len(alerts(caplog)) == 1
    assert webhook == []


def test_a_mail_is_sent(mailbox: list[str]) -> None:
    notifier().notify(MISSED)
    [mail] = mailbox
    assert "Subject: ddcrm crm_score 2026-03-05: deadline missed. The scores are late." in mail
    assert "To: team@example.com" in mail


@pytest.mark.parametrize("asynchronous", [False, True])
def test_without_a_connection_there_is_the_log(
    asynchronous: bool, airflow_tables: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "ddcrm.alert"):
        asyncio.run(notifier().async_notify(MISSED)) if asynchronous else notifier().notify(MISSED)
    assert alerts(caplog)[0]["partition_key"] == "2026-03-05"


@pytest.mark.parametrize(
    ("connection", "url"),
    [
        ({"host": "hooks.example", "schema": None, "port": None}, "https://hooks.example/a"),
        ({"host": "http://hooks.example/", "schema": None, "port": 81}, "http://hooks.example:81/a"),
        ({"host": "hooks.example", "schema": "http", "port": None}, "http://hooks.example/a"),
    ],
)
def test_the_url_of_a_webhook(connection: dict[str, Any], url: str) -> None:
    from ddcrm_notifier import webhook_url

    assert webhook_url(SimpleNamespace(extra_dejson={"path": "/a"}, **connection)) == url
