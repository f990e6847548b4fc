"""What a command prints: lines for people, or one JSON document; one clear message for an error."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from ddcrm.errors import DdcrmError
from ddcrm.settings import Settings, load_settings

_IN_THE_WAY = "A file stands where a folder is needed: move it away, or name another folder in ddcrm.toml."
_NOT_ALLOWED = "Let this user read and write there, or name another folder in ddcrm.toml."
_REFUSALS = {
    errno.ENOTDIR: _IN_THE_WAY,
    errno.EEXIST: _IN_THE_WAY,
    errno.EACCES: _NOT_ALLOWED,
    errno.EPERM: _NOT_ALLOWED,
    errno.EROFS: _NOT_ALLOWED,
    errno.ENOSPC: "Free some space there and run it again.",
    errno.EDQUOT: "Free some space there and run it again.",
}


class Output:
    """Collects what a command has to say; people read it line by line, programs as one document at the end."""

    def __init__(self, project: Path | None = None, debug: bool = False) -> None:
        self.project = project
        self.debug = debug
        self.json = False
        self.failed = False
        self.document: dict[str, Any] = {}
        self._settings: Settings | None = None

    @property
    def settings(self) -> Settings:
        """The project's settings, read once."""
        if self._settings is None:
            self._settings = load_settings(self.project)
        return self._settings

    def say(self, text: str = "") -> None:
        """A line for people; nothing with --json."""
        if not self.json:
            typer.echo(text)

    def add(self, key: str, value: Mapping[str, Any]) -> None:
        """A part of the JSON document: `key` holds a list of such parts."""
        self.document.setdefault(key, []).append(dict(value))

    def table(self, rows: Sequence[Sequence[Any]], header: Sequence[str]) -> None:
        """Aligned columns for people."""
        cells = [[str(cell) if cell is not None else "-" for cell in row] for row in [header, *rows]]
        widths = [max(len(row[place]) for row in cells) for place in range(len(header))]
        numeric = [
            all(isinstance(row[place], int | float) or row[place] is None for row in rows)
            for place in range(len(header))
        ]
        for row in cells:
            padded = [
                cell.rjust(w) if right else cell.ljust(w) for cell, w, right in zip(row, widths, numeric, strict=True)
            ]
            self.say("  " + "  ".join(padded).rstrip())

    def error(self, error: DdcrmError) -> None:
        """Tell an error and remember that not all went well."""
        self.failed = True
        if self.json:
            self.add("errors", error.as_dict())
        else:
            typer.echo(f"error: {error}", err=True)

    def finish(self) -> None:
        """Print the document, and end with the right exit code."""
        if self.json:
            typer.echo(json.dumps({"ok": not self.failed, **self.document}, default=str, ensure_ascii=False))
        if self.failed:
            raise typer.Exit(1)


@contextmanager
def handled(ctx: typer.Context, as_json: bool) -> Iterator[Output]:
    """Run a command: errors of ours become one message and exit code 1; others too, unless --debug shows them whole."""
    out: Output = ctx.obj
    out.json = as_json
    if out.debug:
        _log_all()
    try:
        yield out
    except DdcrmError as error:
        if out.debug:
            raise
        out.error(error)
    except (KeyboardInterrupt, typer.Exit, typer.Abort):
        raise
    except Exception as error:
        if out.debug:
            raise
        out.error(_refused(error) or _unexpected(error))
    out.finish()


def _refused(error: Exception) -> DdcrmError | None:
    """The words for a file or folder that the system does not let us use; None for anything else."""
    if not isinstance(error, OSError) or error.errno not in _REFUSALS:
        return None
    where = error.filename2 or error.filename
    facts = {"path": str(where)} if where else {}
    return DdcrmError(f"the system refuses: {os.strerror(error.errno)}", **facts, hint=_REFUSALS[error.errno])


def _unexpected(error: Exception) -> DdcrmError:
    from ddcrm.warehouse.failures import recordable

    message = f"an unexpected {type(error).__name__}: {recordable(error) or 'no message'}"
    return DdcrmError(message, hint="Run it again with --debug before the command, and report what it shows.")


def _log_all() -> None:
    import logging

    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("ddcrm").setLevel(logging.DEBUG)
