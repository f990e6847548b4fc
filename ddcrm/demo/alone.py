"""What holds for everything the demo keeps running: one at a time, and Ctrl-C takes it down in order."""

from __future__ import annotations

import fcntl
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any, NoReturn

from ddcrm.errors import SettingsError
from ddcrm.settings import Settings

_interrupted = Event()
_NUMBERS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """No other demo runs in the state folder meanwhile; raises SettingsError where one does."""
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    with open(settings.state_dir / "demo.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError("a demo is running here already", folder=settings.state_dir,
                                hint="Stop it with Ctrl-C, or choose another state_dir.") from None  # fmt: skip
        yield


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM and a closed terminal stop it as Ctrl-C does."""
    _interrupted.clear()
    before = {number: signal.signal(number, _interrupt) for number in _NUMBERS}
    said = sys.unraisablehook
    sys.unraisablehook = _but_interrupts(said)
    try:
        yield
    finally:
        sys.unraisablehook = said
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_interrupts() -> None:
    """From now on: what is being stopped is stopped to the end."""
    for number in _NUMBERS:
        signal.signal(number, signal.SIG_IGN)


def was_interrupted() -> bool:
    """Whether a signal came: in a callback of a C library its KeyboardInterrupt becomes another error, or none."""
    return _interrupted.is_set()


def _but_interrupts(hook: Callable[[Any], object]) -> Callable[[Any], None]:
    """A hook that says nothing of an interrupt that came within a finaliser: `was_interrupted` knows of it."""

    def said(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            hook(unraisable)

    return said


def _interrupt(*_: Any) -> NoReturn:
    _interrupted.set()
    raise KeyboardInterrupt
