"""What a page would ask others for: found in its tags, its styles and its figures."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_CALLS = re.compile(
    r"url\(\s*['\"]?(?!#|data:)|@import|\bimport\s*\(|\bfetch\s*\(|XMLHttpRequest|WebSocket|EventSource|sendBeacon",
    re.IGNORECASE,
)
_ASKING = {"script", "link", "base", "iframe", "frame", "object", "embed", "form", "applet"}
_ADDRESSES = {"href", "xlink:href", "src", "srcset", "data", "poster", "action", "formaction", "background", "ping",
              "manifest", "cite", "longdesc", "archive", "codebase", "imagesrcset", "rdf:resource"}  # fmt: skip


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.style = tag == "style"
        values = {name: value or "" for name, value in attrs}
        if tag in _ASKING or (tag == "meta" and values.get("http-equiv", "").lower() == "refresh"):
            self.found.append(f"<{tag}>")
        for name, value in values.items():
            elsewhere = name in _ADDRESSES and not value.strip().startswith(("#", "data:image/"))
            if elsewhere or name.startswith("on") or _CALLS.search(value):
                self.found.append(f"<{tag} {name}={value[:60]}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.style = False

    def handle_endtag(self, tag: str) -> None:
        self.style = False

    def handle_data(self, data: str) -> None:
        if self.style and (call := _CALLS.search(data)):
            self.found.append(data[call.start() : call.start() + 60])


def references(page: str) -> list[str]:
    """Whatever in an HTML page refers to something outside of it, or runs."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return reader.found
