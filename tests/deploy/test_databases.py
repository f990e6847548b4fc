"""The scripts of the compose file, run as the containers run them, on the embedded PostgreSQL."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from ddcrm.warehouse.embedded import EmbeddedPostgres
from tests.deploy.compose import REPOSITORY, required, services

PASSWORD = 'it\'s "quoted" \\ $HOME'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server of its own: roles are everybody's."""
    started = EmbeddedPostgres.start(tmp_path_factory.mktemp("deploy") / "postgres", {"fsync": "off"})
    variables = {
        **os.environ, "PATH": f"{started.programs}:{os.environ['PATH']}", "PGHOST": str(started.socket_dir),
        "DDCRM_DB_PASSWORD": PASSWORD, "AIRFLOW_DB_PASSWORD": "another one",
    }  # fmt: skip
    subprocess.run(["sh", str(REPOSITORY / "docker/create-databases.sh")], check=True, env=variables)
    yield started
    started.close(force=True)


def connect(server: EmbeddedPostgres, role: str, database: str) -> psycopg.Connection:
    return psycopg.connect(host=str(server.socket_dir), user=role, dbname=database, autocommit=True)


def test_each_role_has_its_own_database_and_no_other(server: EmbeddedPostgres) -> None:
    for role, other in (("ddcrm", "airflow"), ("airflow", "ddcrm")):
        with connect(server, role, role) as connection:
            connection.execute("CREATE SCHEMA probe; CREATE TABLE probe.t (x int); DROP SCHEMA probe CASCADE")
            [(superuser, create_role)] = connection.execute(
                "SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user").fetchall()  # fmt: skip
            assert (superuser, create_role) == (False, False)
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            connect(server, role, other)


def test_a_password_is_taken_as_it_is(server: EmbeddedPostgres) -> None:
    """The embedded server trusts everyone: so its stored secret is compared with one that it makes itself."""
    query = "SELECT rolpassword FROM pg_authid WHERE rolname = 'ddcrm'"
    with connect(server, "postgres", "postgres") as connection:
        [(stored,)] = connection.execute(query).fetchall()
    assert verifies(stored, PASSWORD)
    assert not verifies(stored, "another one")


def verifies(stored: str, password: str) -> bool:
    """Whether a SCRAM-SHA-256 secret of PostgreSQL is of this password (RFC 5803)."""
    import base64
    import hashlib
    import hmac

    _, head, keys = stored.split("$")
    iterations, salt = head.split(":")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(iterations))
    key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return base64.b64encode(key).decode() == keys.split(":")[0]


@pytest.mark.slow
@pytest.mark.airflow
@pytest.mark.xdist_group("airflow")
def test_init_makes_both_databases_and_may_run_again(server: EmbeddedPostgres, tmp_path: Path) -> None:
    made = services(dict.fromkeys(required(), "x1"))["init"]
    assert made["command"] == ["sh", "docker/init.sh"]
    passwords = tmp_path / "passwords.json"
    socket = f"?host={server.socket_dir}"
    variables = {
        name: re.sub(r"@postgres:5432/(\w+)", rf"@/\1{socket}", str(value))
        for name, value in made["environment"].items()
    }
    variables |= {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__CORE__FERNET_KEY": "",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "DDCRM_PROJECT_DIR": str(REPOSITORY),
        "DDCRM_STATE_DIR": str(tmp_path / "state"),
    }
    for _ in range(2):
        subprocess.run(made["command"], check=True, env=variables, cwd=REPOSITORY, capture_output=True)
    assert json.loads(passwords.read_text()) == {"admin": "x1"}
    assert passwords.stat().st_mode & 0o077 == 0
    with connect(server, "airflow", "airflow") as connection:
        assert connection.execute("SELECT count(*) FROM dag_run").fetchone() == (0,)
    with connect(server, "ddcrm", "ddcrm") as connection:
        assert connection.execute("SELECT count(*) FROM crm.current_customer_scores").fetchone() == (0,)
        with pytest.raises(errors.UndefinedTable):
            connection.execute("SELECT 1 FROM dag_run")
