"""A folder of sources, an HTTP service on loopback, and a PostgreSQL that asks for passwords."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import psycopg
import pytest

from ddcrm.settings import Settings
from ddcrm.warehouse.embedded import EmbeddedPostgres


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose sources are files below tmp_path."""
    return Settings(sources_dir=tmp_path)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read 64 bytes at a time, so that a small file has many batches."""
    monkeypatch.setattr("ddcrm.sources.bytestream.BLOCK_BYTES", 64)


@dataclass
class Answer:
    """What the service answers: JSON unless `body` is given; `missing` bytes are announced and never come."""

    content: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    missing: int = 0

    @property
    def bytes(self) -> bytes:
        """The body."""
        return json.dumps(self.content).encode() if self.body is None else self.body


@dataclass
class Asked:
    """One request that came in."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass
class Service:
    """A service on loopback: `answer` is called with each request; `asked` keeps them."""

    url: str
    asked: list[Asked] = field(default_factory=list)
    answer: Callable[[Asked], Answer] = lambda asked: Answer(status=404)


@pytest.fixture
def service() -> Iterator[Service]:
    """An HTTP service whose answers the test sets."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = Asked(parts.path, dict(parse_qsl(parts.query)), dict(self.headers))
            found.asked.append(asked)
            answer = found.answer(asked)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.bytes) + answer.missing))
            self.end_headers()
            self.wfile.write(answer.bytes)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Service(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def locked_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL whose role `reader` must give the password `correct horse`, and may read nothing."""
    server = EmbeddedPostgres.start(tmp_path_factory.mktemp("locked"), {"fsync": "off"})
    rules = server.folder / "data" / "pg_hba.conf"
    rules.write_text(f"local all reader scram-sha-256\n{rules.read_text()}")
    with psycopg.connect(server.url().replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'correct horse'")
        connection.execute("CREATE TABLE secrets (id integer)")
        connection.execute("SELECT pg_reload_conf()")
    yield server
    server.close(force=True)
