"""What the demo stands on: the embedded PostgreSQL with its databases, and what everyone is told by variables."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from ddcrm.dates import DateRange
from ddcrm.demo.airflow import Airflow, Place, free_port
from ddcrm.errors import SettingsError
from ddcrm.settings import Settings, SourceSettings
from ddcrm.warehouse.embedded import EmbeddedPostgres

WAREHOUSE, SHOP, AIRFLOW = "ddcrm", "shop", "airflow"  # the databases
PORT = 8080  # of Airflow's page, where nobody has it


@dataclass(frozen=True)
class World:
    """The running server, and the settings with the demo's own warehouse and sources."""

    settings: Settings
    server: EmbeddedPostgres
    helpdesk_port: int
    helpdesk_token: str

    @property
    def folder(self) -> Path:
        """Where the company's files stand."""
        return self.settings.sources_dir.parent


def build_world(settings: Settings, stack: ExitStack) -> World:
    """Start the server and set the variables; `stack` takes both back.

    The warehouse is always the embedded one: a demo has no business in anybody's own.
    """
    server = stack.enter_context(EmbeddedPostgres.start(settings.postgres_dir))
    server.create_database(WAREHOUSE)
    port, token = free_port(), secrets.token_urlsafe(16)
    helpdesk = SourceSettings(location=f"http://127.0.0.1:{port}")
    own = {"warehouse_url": SecretStr(server.url(WAREHOUSE)), "sources": {**settings.sources, "tickets": helpdesk}}
    world = World(settings.model_copy(update=own), server, port, token)
    stack.enter_context(_variables(_environment(world)))
    return world


def _environment(world: World) -> dict[str, str]:
    folders = ("project_dir", "state_dir", "sources_dir", "contracts_dir", "expectations_dir")
    return {
        **{f"DDCRM_{name.upper()}": str(getattr(world.settings, name)) for name in folders},
        "DDCRM_WAREHOUSE_URL": world.server.url(WAREHOUSE),
        **source_variables(world),
    }


def source_variables(world: World) -> dict[str, str]:
    """What must be known of the sources that answer: where the help desk is, and the secrets of both."""
    return {
        "DDCRM_SOURCES__TICKETS__LOCATION": str(world.settings.source("tickets").location),
        "DDCRM_SECRET_TICKETS_TOKEN": world.helpdesk_token,
        "DDCRM_SECRET_SHOP_DATABASE_URL": world.server.url(SHOP),
    }


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def build_airflow(world: World, dates: DateRange) -> Airflow:
    """An Airflow of its own for the world, with an empty database; not yet started.

    dates: those that there is data of; nothing is scheduled after them. Raises SettingsError where a port was asked for
    that somebody has, or where the project has no DAGs.
    """
    project = world.settings.project_dir
    if not (project / "dags").is_dir():
        raise SettingsError("there are no DAGs in the project", folder=project, hint="The demo runs in a checkout.")
    _empty_database(world.server, AIRFLOW)
    wanted = os.environ.get("AIRFLOW__API__PORT")
    port = free_port(int(wanted or PORT))
    if wanted and port != int(wanted):
        raise SettingsError(f"the port {wanted} is taken", hint="Set AIRFLOW__API__PORT to another one, or to none.")
    home = world.settings.state_dir / "airflow"
    place = Place(home, project / "dags", project / "plugins", world.server.url(AIRFLOW), port)
    return Airflow(place, {"DDCRM_SCHEDULE_END": str(dates.last)})


def _empty_database(server: EmbeddedPostgres, name: str) -> None:
    from psycopg import connect, sql
    from sqlalchemy import make_url

    url = make_url(server.url()).set(drivername="postgresql").render_as_string(hide_password=False)
    with connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
    server.create_database(name)
