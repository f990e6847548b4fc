"""What the compose file and the image promise."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ddcrm.demo.airflow import PRELOAD
from tests.deploy.compose import FILE, REPOSITORY, VARIABLE, required, services

COMPONENTS = {"api-server", "scheduler", "dag-processor", "triggerer"}
SECRET_WORDS = re.compile(r"PASSWORD|SECRET|FERNET|TOKEN|CONN|_URL$")


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    return services()


def test_the_services(parts: dict[str, Any]) -> None:
    assert set(parts) == COMPONENTS | {"postgres", "init"}
    assert {name: parts[name]["command"] for name in COMPONENTS} == {name: ["airflow", name] for name in COMPONENTS}


def test_every_service_says_whether_it_is_well_or_runs_once(parts: dict[str, Any]) -> None:
    for name, service in parts.items():
        once = service["restart"] == "no"
        assert once == (name == "init"), name
        assert once != ("healthcheck" in service), name


def test_each_waits_for_what_it_needs(parts: dict[str, Any]) -> None:
    assert parts["init"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in COMPONENTS:
        assert parts[name]["depends_on"] == {"init": {"condition": "service_completed_successfully"}}


def test_no_service_of_ours_runs_as_root_or_may_become_it(parts: dict[str, Any]) -> None:
    for name, service in parts.items():
        if name != "postgres":  # whose image starts as root and steps down by itself
            assert int(service["user"]) > 0, name
            assert service["cap_drop"] == ["ALL"], name
            assert "no-new-privileges:true" in service["security_opt"], name


def test_images_are_pinned(parts: dict[str, Any]) -> None:
    assert re.fullmatch(r"postgres:\d+\.\d+-\w+", parts["postgres"]["image"])
    bases = re.findall(r"^FROM (\S+)", (REPOSITORY / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert bases
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base) for base in bases)


def test_no_secret_stands_in_the_file(parts: dict[str, Any]) -> None:
    found = 0
    for name, service in parts.items():
        for variable, value in service["environment"].items():
            if SECRET_WORDS.search(variable) and not variable.endswith(("_FILE", "API_SERVER_URL", "BASE_URL")):
                secrets = [part["kind"] for part in VARIABLE.finditer(str(value))]
                assert secrets == ["?"], f"{name}: {variable}"
                found += 1
    assert found > 10
    assert not re.search(r"://\w+:(?!\$\{)[^@\s]+@", FILE.read_text("utf-8")), "a password in a URL"


def test_the_page_is_not_open_to_the_world_by_default(parts: dict[str, Any]) -> None:
    assert parts["api-server"]["ports"] == ["${AIRFLOW_LISTEN:-127.0.0.1:8080}:8080"]
    assert not any("ports" in service for name, service in parts.items() if name != "api-server")


def test_what_must_last_stands_in_a_volume(parts: dict[str, Any]) -> None:
    assert "postgres:/var/lib/postgresql" in parts["postgres"]["volumes"]
    for name in COMPONENTS | {"init"}:
        assert {"state:/var/lib/ddcrm", "logs:/opt/airflow/logs"} <= set(parts[name]["volumes"]), name


def test_the_tasks_inherit_the_same_packages_as_in_the_demo(parts: dict[str, Any]) -> None:
    told = parts["scheduler"]["environment"]["AIRFLOW__SCHEDULER__MP_FORKSERVER_PRELOAD"]
    assert tuple(told.split(",")) == PRELOAD


def test_the_image_runs_as_the_user_of_the_services(parts: dict[str, Any]) -> None:
    text = (REPOSITORY / "Dockerfile").read_text("utf-8")
    assert re.search(r"^USER (\d+)$", text, re.MULTILINE)[1] == parts["scheduler"]["user"]
    assert text.count("--require-hashes") == 2


def test_everything_that_the_image_copies_is_there_and_let_through() -> None:
    text = (REPOSITORY / "Dockerfile").read_text("utf-8")
    copied = {name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for name in line.split()}
    ignored = (REPOSITORY / ".dockerignore").read_text("utf-8").split()
    assert copied == {rule[1:].removesuffix("*.lock") for rule in ignored if rule.startswith("!")}
    assert all((REPOSITORY / name).exists() for name in copied)


def test_the_secrets_of_sources_reach_ours_and_not_the_database(parts: dict[str, Any]) -> None:
    for name in COMPONENTS | {"init"}:
        assert parts[name]["env_file"] == ["${DDCRM_SOURCES_ENV:-docker/sources.env.example}"], name
    assert "env_file" not in parts["postgres"]
    lines = (REPOSITORY / "docker/sources.env.example").read_text("utf-8").splitlines()
    assert lines
    assert all(line.startswith("#") for line in lines), "the example sets something"


def test_docker_compose_hands_them_on(tmp_path: Path) -> None:
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("docker-compose is not installed")
    own = tmp_path / "sources.env"
    own.write_text("DDCRM_SECRET_TICKETS_TOKEN=any\nDDCRM_SOURCES__TICKETS__LOCATION=https://desk.example\n")
    variables = {"PATH": os.environ["PATH"], "DDCRM_SOURCES_ENV": str(own), **dict.fromkeys(required(), "x1")}
    done = subprocess.run([program, "--file", str(FILE), "config"], capture_output=True, text=True, env=variables)
    found = yaml.safe_load(done.stdout)["services"]
    for name in COMPONENTS:
        assert found[name]["environment"]["DDCRM_SECRET_TICKETS_TOKEN"] == "any", name
        assert found[name]["environment"]["DDCRM_SOURCES__TICKETS__LOCATION"] == "https://desk.example", name
    assert "DDCRM_SECRET_TICKETS_TOKEN" not in found["postgres"]["environment"]


def test_docker_compose_takes_the_file() -> None:
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("docker-compose is not installed")
    command = [program, "--file", str(FILE), "config"]
    empty = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    refused = subprocess.run(command, capture_output=True, text=True, env=empty, cwd="/")
    assert refused.returncode != 0
    assert "docker/new-env.sh" in refused.stderr
    given = subprocess.run(
        command, capture_output=True, text=True, env={**empty, **dict.fromkeys(required(), "x1")}, cwd="/"
    )
    assert given.returncode == 0, given.stderr


def test_new_secrets_are_written_once(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    shutil.copytree(REPOSITORY / "docker", tmp_path / "docker")
    script = [str(tmp_path / "docker/new-env.sh")]
    subprocess.run(script, check=True, capture_output=True)
    file = tmp_path / ".env"
    written = dict(line.split("=", 1) for line in file.read_text().splitlines())
    assert set(written) == required()
    assert len(set(written.values())) == len(written)
    assert all(len(value) >= 44 for value in written.values())
    assert file.stat().st_mode & 0o077 == 0
    assert subprocess.run(script, capture_output=True).returncode == 1
    assert dict(line.split("=", 1) for line in file.read_text().splitlines()) == written


def test_the_key_for_connections_is_one_that_fernet_takes(tmp_path: Path) -> None:
    from cryptography.fernet import Fernet

    command = next(line for line in (REPOSITORY / "docker/new-env.sh").read_text().splitlines() if "FERNET" in line)
    shell = re.search(r"\$\((.*)\)", command)[1]
    made = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout.strip()
    assert Fernet(made).decrypt(Fernet(made).encrypt(b"connection")) == b"connection"
