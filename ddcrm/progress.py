"""What a step says of itself while it runs: points with counts, never with customers' data.

Whoever wants to hear it subscribes (the command line draws it, a DAG logs it); with no listener it costs nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Listener = Callable[[str, dict[str, Any]], None]

_listeners: list[Listener] = []
_log = logging.getLogger("ddcrm")


def point(name: str, **facts: Any) -> None:
    """Say that the work has reached `name` (such as "land.written"), with counts and references as facts."""
    _log.debug("%s %s", name, facts)
    for listener in tuple(_listeners):
        listener(name, facts)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call `listener(name, facts)` at every point inside the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
