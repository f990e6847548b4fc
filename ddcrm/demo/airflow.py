"""An Airflow of one's own: a folder, a database, four processes. The library never imports it."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ddcrm.demo.processes import Processes
from ddcrm.demo.rest import AirflowApi, AirflowApiError
from ddcrm.errors import DdcrmError, SettingsError

# logs are read from the folder: a server for them would listen on all interfaces
COMPONENTS = {
    "api-server": (), "scheduler": ("--skip-serve-logs",), "dag-processor": (), "triggerer": ("--skip-serve-logs",),
}  # fmt: skip
USER = "admin"
# what LocalExecutor's workers import once, for all the tasks that they fork: docs/airflow.md
PRELOAD = (
    "airflow.executors.local_executor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.dag_processing.dagbag",
    "airflow.providers.standard.decorators.python",
    "airflow.sdk.definitions.decorators",
    "airflow.sdk.definitions.timetables.trigger",
    "ddcrm.preload",
)


class AirflowError(DdcrmError):
    """Airflow did not do what it was asked for; facts: logs."""


@dataclass(frozen=True)
class Place:
    """What an Airflow is made of: its folder, the folders of its DAGs and plugins, its database, its ports."""

    home: Path
    dags: Path
    plugins: Path
    database_url: str
    api_port: int
    parallelism: int = 4

    @property
    def url(self) -> str:
        """Where its page is."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def password_file(self) -> Path:
        """The users' passwords."""
        return self.home / "passwords.json"

    def environment(self) -> dict[str, str]:
        """The configuration as variables, with fresh secrets for the components to know each other by."""
        options: dict[str, dict[str, object]] = {
            "core": {
                "dags_folder": self.dags, "plugins_folder": self.plugins, "load_examples": False,
                "executor": "LocalExecutor", "parallelism": self.parallelism, "fernet_key": "",
                "execution_api_server_url": f"{self.url}/execution/",
                "simple_auth_manager_users": f"{USER}:admin", "simple_auth_manager_passwords_file": self.password_file,
            },
            "database": {"sql_alchemy_conn": self.database_url, "sql_alchemy_conn_async": self.database_url},
            "api": {"host": "127.0.0.1", "port": self.api_port, "base_url": self.url, "secret_key": _secret()},
            "api_auth": {"jwt_secret": _secret()},
            "scheduler": {"scheduler_idle_sleep_time": 0.3, "mp_start_method": "forkserver",
                          "mp_forkserver_preload": ",".join(PRELOAD)},
            "workers": {"min_heartbeat_interval": 1},
            "usage_data_collection": {"enabled": False},
        }  # fmt: skip
        names = {f"AIRFLOW__{section.upper()}__{name.upper()}": str(value)
                 for section, values in options.items() for name, value in values.items()}  # fmt: skip
        return {"AIRFLOW_HOME": str(self.home), **names}


@dataclass
class Airflow:
    """The running thing; a context manager, which leaves no process behind."""

    place: Place
    environment: Mapping[str, str] = field(default_factory=dict)  # further variables of its processes
    password: str = field(default_factory=lambda: secrets.token_urlsafe(9))

    def __post_init__(self) -> None:
        self.processes = Processes(self.place.home)
        self.api = AirflowApi(self.place.url, USER, self.password)

    def __enter__(self) -> Airflow:
        return self

    def __exit__(self, *_: object) -> None:
        self.processes.stop()

    def start(self) -> None:
        """Make the tables of its database and start its components; does not wait until they answer."""
        place = self.place
        place.home.mkdir(parents=True, exist_ok=True)
        place.password_file.touch(mode=0o600)
        place.password_file.write_text(json.dumps({USER: self.password}))
        variables = {**os.environ, **place.environment(), **self.environment}
        self.processes.run("db migrate", _command("db", "migrate"), variables)
        for component, options in COMPONENTS.items():
            self.processes.start(component, _command(component, *options), variables)

    def wait_for_dags(self, dags: set[str], timeout: float = 180, waiting: Callable[[], None] = lambda: None) -> None:
        """Wait until every component is well and the DAGs were read.

        Raises ProcessEndedError where a component ended, AirflowError where a DAG is broken or time is up.
        """
        deadline = time.monotonic() + timeout
        while not (self.api.healthy() and dags <= self.api.dags()):
            self.processes.check()
            with suppress(OSError, AirflowApiError):  # it is still starting
                self._check_imports()
            if time.monotonic() > deadline:
                raise AirflowError(f"Airflow is not ready after {timeout:.0f} s", logs=self.place.home)
            waiting()
            time.sleep(0.5)

    def _check_imports(self) -> None:
        if errors := self.api.import_errors():
            raise AirflowError(f"a DAG can't be read: {errors[0]}", logs=self.place.home)


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *arguments]


def _secret() -> str:
    return secrets.token_urlsafe(48)


def free_port(wanted: int | None = None) -> int:
    """A port of the loopback that nobody listens on: `wanted` if it is free."""
    for port in (wanted, 0):
        with suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port or 0))
            return int(probe.getsockname()[1])
    raise SettingsError("there is no free port on 127.0.0.1")
