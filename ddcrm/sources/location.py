"""Where the files of a source are: paths with days in them, on this machine or behind a URL."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from ddcrm.contracts.model import Contract
from ddcrm.errors import (
    ContractError,
    MissingDataError,
    SettingsError,
    SourceAuthError,
    SourceError,
    SourceUnavailableError,
)
from ddcrm.settings import Settings
from ddcrm.sources.part import shown_days

_REFUSALS = ("NoCredentials", "Forbidden", "AccessDenied", "Authentication", "Unauthorized", "InvalidAccessKey")


@dataclass(frozen=True)
class Location:
    """One file: its name as the contract writes it (without secrets), and where to open it."""

    name: str
    path: str  # a path of this machine, or a URL
    facts: dict[str, Any]  # source, partition, file: for errors
    options: dict[str, Any]  # of the remote file system

    @property
    def remote(self) -> bool:
        """Whether the file stands behind a URL."""
        return "://" in self.path

    def exists(self) -> bool:
        """Whether there is something; errors of the file system are errors of the source."""
        with self.errors():
            if not self.remote:
                return os.path.exists(self.path)
            system, path = self._system()
            return bool(system.exists(path))

    def open(self) -> IO[bytes]:
        """The file's bytes, from the first one."""
        with self.errors():
            if not self.remote:
                return open(self.path, "rb")
            system, path = self._system()
            stream: IO[bytes] = system.open(path, "rb")
            return stream

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Errors of the file system inside the block become errors of the source."""
        try:
            yield
        except FileNotFoundError:
            raise missing([self]) from None
        except IsADirectoryError:
            raise MissingDataError("there is a folder where the file should be", **self.facts) from None
        except PermissionError:
            raise SourceAuthError(
                "the file may not be read", **self.facts, hint="Grant this user the right to read it."
            ) from None
        except (OSError, RuntimeError, ValueError, TypeError) as error:
            raise self._translated(error) from None
        except Exception as error:  # the errors of remote file systems have no common base class
            if not self.remote or isinstance(error, SourceError | SettingsError):
                raise
            raise self._translated(error) from None

    def _translated(self, error: Exception) -> SourceError:
        kind = type(error).__name__
        if any(word in kind or word in str(error) for word in _REFUSALS):
            return SourceAuthError(
                "the storage refuses the credentials",
                **self.facts,
                reason=kind,
                hint="Check the secret that the contract names.",
            )
        number = getattr(error, "errno", None)
        return SourceUnavailableError(
            "the file can't be read now",
            **self.facts,
            reason=os.strerror(number) if number else kind,
            hint="Try again; if it stays so, look at the storage.",
        )

    def _system(self) -> tuple[Any, str]:
        """dlt's filesystem source stands on fsspec too; it lists by pattern, and here the one file's name is known."""
        import fsspec  # type: ignore[import-untyped]

        try:
            system, path = fsspec.core.url_to_fs(self.path, **self.options)
        except (ImportError, ValueError):  # not installed, or not known at all
            raise SettingsError(
                f"nothing that is installed reads {self.name}",
                hint="Install the fsspec implementation of this kind of storage.",
            ) from None
        return system, path


def locate(contract: Contract, settings: Settings, day: date, partition: str) -> Location:
    """The file of a day (any day, where the path has none in it)."""
    pattern = contract.server.path
    try:
        name = pattern.format(batch_date=day)
    except (KeyError, IndexError, ValueError, AttributeError):
        raise ContractError(
            f"the path {pattern!r} has another placeholder than {{batch_date}}",
            file=contract.file,
            version=contract.version,
        ) from None
    remote = "://" in name
    shown = _without_secrets(name) if remote else name
    facts = {"source": contract.source, "partition": partition, "file": shown}
    return Location(
        shown,
        name if remote else str(settings.sources_dir / Path(name)),
        facts,
        _options(contract, settings, facts) if remote else {},
    )


def missing(locations: list[Location]) -> MissingDataError:
    """The error for files that are not there."""
    first = locations[0]
    facts = first.facts
    if len(locations) == 1:
        where = first.name if first.remote else first.path
        return MissingDataError(
            "the file is not there",
            **facts,
            hint=f"Deliver it, or correct the path in the contract; looked for was {where}.",
        )
    days = shown_days([location.facts["partition"] for location in locations])
    return MissingDataError(
        f"{len(locations)} files are not there",
        **(facts | {"partition": days}),
        hint="Deliver them, or leave these days out of the range.",
    )


def _options(contract: Contract, settings: Settings, facts: dict[str, Any]) -> dict[str, Any]:
    """The secret of a remote file: a JSON object with what fsspec's file system takes (key, secret, token, ...)."""
    if contract.server.secret is None:
        return {}
    try:
        options = json.loads(settings.secret(contract.server.secret, **facts))
    except ValueError:
        options = None
    if not isinstance(options, dict):
        raise SettingsError(
            f"the secret {contract.server.secret!r} is not a JSON object",
            hint='Write what the storage takes: {"key": "...", "secret": "..."}.',
        )
    return options


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"
