"""A webhook on loopback, and what was posted to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

Posted = list[tuple[str, str | None, dict[str, Any]]]


@contextmanager
def webhook(**further: Any) -> Iterator[tuple[str, Posted]]:
    """The Airflow connection that leads to it, with `further` values, and the posts: path, authorization, body."""
    posted: Posted = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            posted.append((self.path, self.headers["Authorization"], body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        values = {"conn_type": "http", "schema": "http", "host": "127.0.0.1", "port": server.server_port, **further}
        yield json.dumps(values), posted
        server.shutdown()
