"""The demo's help desk as a process: `python -m ddcrm.demo.serve --folder .ddcrm/demo --port 8765`.

The token that it asks for stands in DDCRM_SECRET_TICKETS_TOKEN, where the contract's reader finds it, too.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ddcrm.demo.helpdesk import HelpDesk
from ddcrm.errors import MissingDataError, SettingsError, SourceUnavailableError

TOKEN_VARIABLE = "DDCRM_SECRET_TICKETS_TOKEN"  # noqa: S105 (the variable's name)
_STOP_SECONDS = 5.0


def read_tickets(folder: Path) -> list[dict[str, Any]]:
    """The states of tickets that `make` wrote below `folder`; raises MissingDataError where it did not."""
    path = Path(folder) / "sources" / "tickets" / "tickets.jsonl"
    try:
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    except FileNotFoundError:
        raise MissingDataError(
            "the demo company was not made yet", file=str(path), hint="Call ddcrm.demo.make first."
        ) from None


@dataclass(frozen=True)
class Running:
    """The help desk in a process of its own; it ends with `stop`, or when this process does, however it ends."""

    url: str
    process: subprocess.Popen[str]

    def stop(self) -> None:
        """End the process and wait for it."""
        self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()


def start(folder: Path, token: str, port: int = 0) -> Running:
    """Start the help desk as a child process and wait until it answers; port 0 takes a free one.

    Raises SourceUnavailableError where it doesn't come up (the port is taken, say).
    """
    command = [sys.executable, "-m", "ddcrm.demo.serve", "--folder", str(folder), "--port", str(port), "--with-parent"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               env={**os.environ, TOKEN_VARIABLE: token}, start_new_session=True)  # fmt: skip
    running = Running(process.stdout.readline().strip() if process.stdout else "", process)
    if not running.url:
        running.stop()
        raise SourceUnavailableError("the demo's help desk did not start", port=port, hint="See what it printed above.")
    return running


@contextmanager
def serving(folder: Path, token: str, port: int = 0) -> Iterator[Running]:
    """The help desk, for as long as the block runs."""
    running = start(folder, token, port)
    try:
        yield running
    finally:
        running.stop()


def main(arguments: Sequence[str] | None = None) -> None:
    """Answer until SIGTERM or Ctrl-C; print the base URL once it is there."""
    parser = argparse.ArgumentParser(prog="python -m ddcrm.demo.serve", description="The demo's help desk interface.")
    parser.add_argument("--folder", type=Path, default=Path(".ddcrm/demo"), help="where ddcrm.demo.make wrote to")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--with-parent", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    token = os.environ.get(TOKEN_VARIABLE)
    if not token:
        raise SettingsError("the help desk has no token", hint=f"Set {TOKEN_VARIABLE}.")
    signal.signal(signal.SIGTERM, _leave)
    with HelpDesk(read_tickets(options.folder), token, options.port) as server:
        print(server.url, flush=True)
        if options.with_parent:
            threading.Thread(target=_leave_with_parent, daemon=True).start()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def _leave(*_: Any) -> NoReturn:
    raise SystemExit(0)


def _leave_with_parent() -> None:
    """The pipe from the parent closes when it ends."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    try:
        main()
    except (SettingsError, MissingDataError, OSError) as error:
        sys.exit(f"{error}")
