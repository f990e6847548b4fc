"""The help desk: who may ask, what is asked, one page after the other, and that its process ends."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from ddcrm.demo.serve import Running, read_tickets, serving, start
from ddcrm.errors import MissingDataError, SourceUnavailableError

TOKEN = "for this test only"


@pytest.fixture(scope="module")
def desk(small: Path) -> Iterator[Running]:
    with serving(small, TOKEN) as running:
        yield running


def ask(url: str, token: str | None = TOKEN) -> tuple[dict[str, Any], dict[str, str]]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    with urlopen(Request(url, headers=headers), timeout=10) as answer:
        return json.loads(answer.read()), dict(answer.headers)


def tickets_url(desk: Running, **parameters: object) -> str:
    return f"{desk.url}/api/v1/tickets?{urlencode(parameters)}"


def test_pages_follow_one_another_to_the_end(desk: Running, small: Path) -> None:
    stored = [json.loads(line) for line in (small / "sources/tickets/tickets.jsonl").read_text("utf-8").splitlines()]
    assert len(stored) > 7
    found, sizes, cursor = [], [], {}
    while True:
        content, _ = ask(tickets_url(desk, limit=3, **cursor))
        found += content["tickets"]
        sizes.append(len(content["tickets"]))
        assert content["meta"]["total"] == len(stored)
        if content["meta"]["next_cursor"] is None:
            break
        cursor = {"cursor": content["meta"]["next_cursor"]}
    assert found == stored
    assert set(sizes[:-1]) == {3}


def test_the_link_header_leads_to_the_next_page(desk: Running) -> None:
    first, headers = ask(tickets_url(desk, limit=2, updated_from="2026-03-02"))
    link, _, relation = headers["Link"].partition(">; ")
    assert relation == 'rel="next"'
    by_link, _ = ask(link.lstrip("<"))
    by_cursor, _ = ask(tickets_url(desk, limit=2, updated_from="2026-03-02", cursor=first["meta"]["next_cursor"]))
    assert by_link == by_cursor
    assert by_link["tickets"][0] not in first["tickets"]


def test_days_are_both_included(desk: Running, small: Path) -> None:
    stored = read_tickets(small)
    day = stored[len(stored) // 2]["day"]
    content, headers = ask(tickets_url(desk, updated_from=day, updated_to=day))
    assert content["tickets"] == [ticket for ticket in stored if ticket["day"] == day]
    assert "Link" not in headers
    assert ask(tickets_url(desk, updated_from="2030-01-01"))[0]["tickets"] == []


@pytest.mark.parametrize("token", [None, "", "another one", TOKEN + "!"])
def test_without_the_token_there_is_no_answer(desk: Running, token: str | None) -> None:
    with pytest.raises(HTTPError) as refused:
        ask(tickets_url(desk), token)
    assert refused.value.code == 401
    assert refused.value.headers["WWW-Authenticate"] == "Bearer"
    assert b"T-0" not in refused.value.read()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"updated_from": "01.03.2026"}, "updated_from is not a day"),
        ({"limit": "many"}, "limit is not"),
        ({"limit": 0}, "limit must be 1"),
        ({"cursor": "abc"}, "not one of ours"),
        ({"cursor": "ä"}, "not one of ours"),
        ({"page": 2}, "unknown parameter page"),
    ],
)
def test_wrong_parameters_are_refused(desk: Running, parameters: dict[str, object], words: str) -> None:
    with pytest.raises(HTTPError) as refused:
        ask(tickets_url(desk, **parameters))
    assert refused.value.code == 400
    assert words in json.loads(refused.value.read())["error"]


def test_other_paths_are_not_there(desk: Running) -> None:
    with pytest.raises(HTTPError) as refused:
        ask(f"{desk.url}/truth.json")
    assert refused.value.code == 404


def test_the_process_ends_with_the_block(small: Path) -> None:
    with serving(small, TOKEN) as running:
        assert ask(tickets_url(running, limit=1))[0]["tickets"]
    assert running.process.returncode == 0
    with pytest.raises(OSError, match="refused"):
        ask(tickets_url(running))


def test_a_port_that_is_taken_is_an_error(small: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SourceUnavailableError, match=f"port {port}"):
            start(small, TOKEN, port)


def test_a_company_that_was_not_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="not made yet"):
        read_tickets(tmp_path)


def test_the_process_ends_when_its_parent_is_killed(small: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from ddcrm.demo.serve import start\n"
        f"print(start(Path({str(small)!r}), 'x').process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == -9
    deadline = time.monotonic() + 10
    while _lives(int(done.stdout)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(int(done.stdout))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"  # ended, and nobody has asked for its code


def test_without_a_token_it_does_not_start(small: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DDCRM_SECRET_TICKETS_TOKEN"}
    command = [sys.executable, "-m", "ddcrm.demo.serve", "--folder", str(small)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert "Set DDCRM_SECRET_TICKETS_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr
