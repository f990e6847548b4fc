"""What goes wrong between us and a service, as errors of the source: never with what the service answered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ddcrm.errors import (
    DdcrmError,
    MalformedDataError,
    MissingDataError,
    SettingsError,
    SourceAuthError,
    SourceError,
    SourceUnavailableError,
)
from ddcrm.sources.http_client import Service


@contextmanager
def service_errors(service: Service) -> Iterator[None]:
    """Errors of dlt and requests inside the block become errors of the source, without what the service answered."""
    try:
        yield
    except DdcrmError:
        raise
    except Exception as error:
        causes = list(_chain(error))
        known = next((cause for cause in causes if isinstance(cause, DdcrmError)), None)
        raise known or _translated(service, causes) from None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _translated(service: Service, causes: list[BaseException]) -> DdcrmError:
    import requests

    facts = service.facts | {"url": service.name}
    for cause in causes:
        if isinstance(cause, requests.HTTPError) and cause.response is not None:
            return _refused(service, cause.response.status_code, facts)
        if isinstance(cause, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema):
            return SettingsError("the address of the source is not valid", **facts)
        if isinstance(cause, requests.RequestException):
            return SourceUnavailableError(
                "the service does not answer, or breaks off",
                **facts,
                reason=type(cause).__name__,
                attempts=service.max_retries + 1,
                hint="Is it running, and is the address right?",
            )
    return MalformedDataError(
        "the pages can't be followed",
        **facts,
        reason=type(causes[-1]).__name__,
        hint="Correct paginator and parameters in the contract: names and paths as the service has them.",
    )


def _refused(service: Service, status: int, facts: dict[str, Any]) -> SourceError:
    if status in (401, 403):
        return SourceAuthError(
            "the service refuses the credentials",
            **facts,
            status=status,
            hint="Check the secret that the contract names.",
        )
    if status in (404, 410):
        return MissingDataError(
            "the service has nothing at this address",
            **facts,
            status=status,
            hint="Correct location and path, or wait for the day's data.",
        )
    if status == 429 or status >= 500:
        return SourceUnavailableError(
            "the service fails", **facts, status=status, attempts=service.max_retries + 1, hint="Try again later."
        )
    return SourceError(
        "the service does not accept the request",
        **facts,
        status=status,
        hint="Correct path and parameters in the contract.",
    )
