"""The project that the DAGs run: its settings, its sources, its secrets."""

from __future__ import annotations

import os
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from ddcrm.dates import parse_day
from ddcrm.settings import Settings, load_settings

TOKEN_TYPES = ("http", "https", "generic")  # connection types whose password is the secret, host or not


def project_settings() -> Settings:
    """The settings of DDCRM_PROJECT_DIR, else of the project this folder stands in; with connections as secrets."""
    named = os.environ.get("DDCRM_PROJECT_DIR")
    return load_settings(Path(named) if named else Path(__file__).parents[1]).with_secrets(connection_secret)


def source_names() -> list[str]:
    """The sources of the project: the folders of `contracts/`, but for those switched off.

    Read at every parse, so it looks at names only: a broken contract fails its source's tasks, not the DAG.
    """
    settings = project_settings()
    folders = settings.contracts_dir.iterdir() if settings.contracts_dir.is_dir() else ()
    named = (folder for folder in folders if folder.is_dir() and folder.name[0] not in "._")
    return sorted(folder.name for folder in named if settings.source(folder.name).enabled)


def connection_secret(name: str) -> str | None:
    """The secret out of the Airflow connection called `name`; None where there is no such connection.

    A connection with a host, of a type not among TOKEN_TYPES, is a database: the secret is its URL. Otherwise it is
    its password.
    """
    try:
        connection = Connection.get(name)
    except AirflowNotFoundException:
        return None
    if connection.host and connection.conn_type not in TOKEN_TYPES:
        # Airflow writes postgres://, which SQLAlchemy does not know
        return str(connection.get_uri()).replace("postgres://", "postgresql://", 1)
    return connection.password or None


def schedule_end() -> datetime | None:
    """The last moment at which a run is scheduled: the end of the day DDCRM_SCHEDULE_END; None: it goes on.

    It bounds neither backfills nor manual runs. It is for a project whose sources have ended, as the demo's have.
    """
    last = os.environ.get("DDCRM_SCHEDULE_END")
    if not last:
        return None
    return datetime.combine(parse_day(last, "DDCRM_SCHEDULE_END") + timedelta(days=1), time(), UTC)


def schedule_timezone() -> str:
    """The time zone at whose midnight a day is taken in: DDCRM_SCHEDULE_TIMEZONE, UTC without it.

    That of the sources whose day ends last: where a source's day is not over, `extract` refuses it.
    """
    return os.environ.get("DDCRM_SCHEDULE_TIMEZONE") or "UTC"
