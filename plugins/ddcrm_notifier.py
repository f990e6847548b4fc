"""Who is told of a missed deadline or a failed run: the log, and a webhook or a mail where a connection says so.

The Airflow connection `ddcrm_alerts`, of type http: a webhook that takes a POST of JSON (its `text` is what chat
services show), with the password as bearer token. Of type smtp: a mail server, with `from`, `to` and `starttls`
(true) among its extras. What is sent names DAG, run and day, never a customer.
"""

from __future__ import annotations

import asyncio
import json
import logging
import smtplib
import urllib.request
from email.message import EmailMessage
from typing import Any

from airflow.sdk import BaseNotifier, Connection
from airflow.sdk.exceptions import AirflowNotFoundException

ALERTS = "ddcrm_alerts"
TIMEOUT_SECONDS = 15

log = logging.getLogger("ddcrm.alert")


class CrmNotifier(BaseNotifier):
    """Tell of an `event`; `message` says what it means for those who wait for the scores."""

    def __init__(self, event: str, message: str = "", context: Any = None) -> None:
        super().__init__(context)
        self.event = event
        self.message = message

    def notify(self, context: Any) -> None:
        """Log and send: in the DAG processor, for a failed run."""
        facts = self.facts(context)
        log_alert(facts)
        if worth_sending(facts):
            try:
                connection = Connection.get(ALERTS)
            except AirflowNotFoundException:
                return
            send(connection, facts)

    async def async_notify(self, context: Any) -> None:
        """Log and send: in the triggerer, for a missed deadline; other triggers don't wait for it."""
        facts = self.facts(context)
        log_alert(facts)
        if worth_sending(facts):
            try:
                connection = await Connection.async_get(ALERTS)
            except AirflowNotFoundException:
                return
            await asyncio.to_thread(send, connection, facts)

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Nothing here is a template."""

    def facts(self, context: Any) -> dict[str, str | None]:
        """The alert's event, message, dag_id, run_id, partition_key, run_type and deadline."""
        run = context.get("dag_run") or {}
        value = run.get if isinstance(run, dict) else lambda name: getattr(run, name, None)
        of_run = {name: _text(value(name)) for name in ("dag_id", "run_id", "partition_key", "run_type")}
        of_run["run_id"] = of_run["run_id"] or _text(value("dag_run_id"))
        deadline = (context.get("deadline") or {}).get("deadline_time")
        return {"event": self.event, "message": self.message, **of_run, "deadline": _text(deadline)}


def _text(value: Any) -> str | None:
    return None if value is None else str(getattr(value, "value", value))


def log_alert(facts: dict[str, str | None]) -> None:
    """One line of JSON at level ERROR."""
    log.error("ddcrm alert %s", json.dumps(facts, sort_keys=True))


def worth_sending(facts: dict[str, str | None]) -> bool:
    """Not for a run of a backfill that waited its turn: someone sits before it."""
    return facts["run_type"] != "backfill" or facts["event"] != "deadline missed"


def headline(facts: dict[str, str | None]) -> str:
    """The alert in a line."""
    what = " ".join(filter(None, (facts["dag_id"], facts["partition_key"])))
    return f"ddcrm {what}: {facts['event']}. {facts['message'] or ''}".strip()


def send(connection: Any, facts: dict[str, str | None]) -> None:
    """Send the alert to where the connection says; raises OSError where that does not take it."""
    (_mail if connection.conn_type == "smtp" else _post)(connection, facts)


def webhook_url(connection: Any) -> str:
    """The URL of an http connection; the scheme stands in its schema, or before its host, or is https."""
    host = connection.host or ""
    base = host if "://" in host else f"{connection.schema or 'https'}://{host}"
    port = f":{connection.port}" if connection.port else ""
    return f"{base.rstrip('/')}{port}{connection.extra_dejson.get('path', '')}"


def _post(connection: Any, facts: dict[str, str | None]) -> None:
    headers = {"Content-Type": "application/json"}
    if connection.password:
        headers["Authorization"] = f"Bearer {connection.password}"
    body = json.dumps({"text": headline(facts), **facts}).encode()
    request = urllib.request.Request(webhook_url(connection), data=body, headers=headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):  # noqa: S310
        return


def _mail(connection: Any, facts: dict[str, str | None]) -> None:
    extra = connection.extra_dejson
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = headline(facts), extra["from"], extra["to"]
    mail.set_content(json.dumps(facts, indent=2, sort_keys=True))
    with smtplib.SMTP(connection.host, connection.port or 587, timeout=TIMEOUT_SECONDS) as server:
        if extra.get("starttls", True):
            server.starttls()
        if connection.login:
            server.login(connection.login, connection.password or "")
        server.send_message(mail)
