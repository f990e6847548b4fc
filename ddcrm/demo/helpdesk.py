"""The help desk's HTTP interface: pages of tickets, for whoever knows the token.

    GET /api/v1/tickets?updated_from=2026-06-01&updated_to=2026-06-07&limit=100&cursor=...
    Authorization: Bearer <token>
    -> {"tickets": [...], "meta": {"total": 23, "next_cursor": null}}, and a Link header to the next page

The states of tickets that changed from one business day to another (both included), oldest first.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

HOST = "127.0.0.1"
PATH = "/api/v1/tickets"
DEFAULT_LIMIT, MOST = 100, 500
_PARAMETERS = ("updated_from", "updated_to", "limit", "cursor")


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Page:
    """One answer: its tickets, how many there are in all, and the cursor of the next page (None: it is the last)."""

    tickets: list[dict[str, Any]]
    total: int
    next_cursor: str | None


def page(tickets: Sequence[dict[str, Any]], parameters: Mapping[str, str]) -> Page:
    """The page that the query's parameters ask for."""
    for name in parameters:
        if name not in _PARAMETERS:
            raise _Refused(HTTPStatus.BAD_REQUEST, f"unknown parameter {name}")
    first, last = (
        _day(parameters, name, default) for name, default in (("updated_from", date.min), ("updated_to", date.max))
    )
    limit = min(_whole(parameters.get("limit", str(DEFAULT_LIMIT))), MOST)
    if limit < 1:
        raise _Refused(HTTPStatus.BAD_REQUEST, "limit must be 1 or more")
    start = _position(parameters["cursor"]) if "cursor" in parameters else 0
    found = [ticket for ticket in tickets if first <= ticket["day"] <= last]
    following = start + limit
    return Page(found[start:following], len(found), _cursor(following) if following < len(found) else None)


def _day(parameters: Mapping[str, str], name: str, default: date) -> str:
    try:
        return date.fromisoformat(parameters.get(name, str(default))).isoformat()
    except ValueError:
        raise _Refused(HTTPStatus.BAD_REQUEST, f"{name} is not a day as YYYY-MM-DD") from None


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise _Refused(HTTPStatus.BAD_REQUEST, "limit is not a whole number")
    return int(text)


def _cursor(position: int) -> str:
    return urlsafe_b64encode(f"after:{position}".encode()).decode().rstrip("=")


def _position(cursor: str) -> int:
    try:
        word, _, number = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(":")
    except ValueError:
        word, number = "", ""
    if word != "after" or not number.isdecimal():
        raise _Refused(HTTPStatus.BAD_REQUEST, "the cursor is not one of ours")
    return int(number)


class HelpDesk(ThreadingHTTPServer):
    """The server: answers from `tickets` to whoever knows the token."""

    daemon_threads = True

    def __init__(self, tickets: Sequence[dict[str, Any]], token: str, port: int = 0) -> None:
        self.tickets, self.token = tickets, token
        super().__init__((HOST, port), _Handler)

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://{HOST}:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: HelpDesk
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for the acknowledgement of its headers

    def do_GET(self) -> None:
        target = urlsplit(self.path)
        try:
            if target.path != PATH:
                raise _Refused(HTTPStatus.NOT_FOUND, f"there is only {PATH}")
            self._check_token()
            parameters = dict(parse_qsl(target.query, keep_blank_values=True))
            answer = page(self.server.tickets, parameters)
        except _Refused as refusal:
            self._send(
                refusal.status, {"error": str(refusal)}, {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else {}
            )
            return
        body = {"tickets": answer.tickets, "meta": {"total": answer.total, "next_cursor": answer.next_cursor}}
        following = urlencode({**parameters, "cursor": answer.next_cursor})
        self._send(
            HTTPStatus.OK,
            body,
            {"Link": f'<{self.server.url}{PATH}?{following}>; rel="next"'} if answer.next_cursor else {},
        )

    def _check_token(self) -> None:
        given = self.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self.server.token}".encode()):
            raise _Refused(HTTPStatus.UNAUTHORIZED, "the token is missing or wrong")

    def _send(self, status: HTTPStatus, content: dict[str, Any], headers: Mapping[str, str]) -> None:
        data = json.dumps(content, ensure_ascii=False).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the demo's terminal is for the demo."""
