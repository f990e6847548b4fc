"""One request sequence to a JSON service: the client of dlt's rest_api with a session that keeps numbers as written,
retries what can pass, sends credentials nowhere else, and does not go in circles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ddcrm.errors import MalformedDataError, SourceError
from ddcrm.sources.columns import load_json

if TYPE_CHECKING:
    import requests

LONGEST_WAIT_SECONDS = 300
# dlt looks for secrets in an Airflow that is installed, whose import makes ~/airflow and a database in it
_DLT_SETTINGS = {"RUNTIME__DLTHUB_TELEMETRY": "false", "PROVIDERS__ENABLE_AIRFLOW_SECRETS": "false"}


@dataclass(frozen=True)
class Service:
    """Where to ask, and how patiently. `auth` holds secrets: it is not shown."""

    base: str
    path: str
    facts: dict[str, Any]
    selector: str = "$"
    auth: dict[str, Any] | None = field(default=None, repr=False)
    max_retries: int = 5
    timeout_seconds: float = 60
    backoff_seconds: float = 1

    @property
    def name(self) -> str:
        """The address without parameters: what `_source` says."""
        parts = urlsplit(f"{self.base}/{self.path.lstrip('/')}" if self.path else self.base)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def items(self, endpoint: dict[str, Any]) -> Iterator[Any]:
        """The items of all pages in their order."""
        os.environ.update(_DLT_SETTINGS)
        from dlt.sources.helpers.rest_client import RESTClient
        from dlt.sources.rest_api.config_setup import create_auth, create_paginator

        auth = create_auth(self.auth)  # type: ignore[arg-type]  # in dlt's words, as http.py has them
        client = RESTClient(self.base, auth=auth, session=_session(self), config=_runtime())
        pages = client.paginate(
            self.path,
            params=dict(endpoint["params"]),
            paginator=create_paginator(endpoint["paginator"]),
            data_selector=self.selector,
        )
        yield from chain.from_iterable(pages)


@cache
def _runtime() -> Any:
    """dlt's settings, which it would look for in all of its places for each day again."""
    from dlt.common.configuration import resolve_configuration
    from dlt.common.configuration.specs import RuntimeConfiguration

    return resolve_configuration(RuntimeConfiguration())


def _session(service: Service) -> requests.Session:
    """dlt's session: it retries 429, 5xx, broken connections and pages that were cut off, and honours Retry-After."""
    from dlt.sources.helpers.requests.retry import Client

    session = Client(
        request_timeout=service.timeout_seconds,
        raise_for_status=False,
        request_max_attempts=service.max_retries + 1,
        request_backoff_factor=service.backoff_seconds,
        request_max_retry_delay=LONGEST_WAIT_SECONDS,
        retry_condition=lambda response, error: response is not None and _unreadable(response),
    ).session
    send, asked = session.send, set[str]()

    def checked(request: requests.PreparedRequest, **options: Any) -> requests.Response:
        _check_request(service, request, asked, redirected=options.get("allow_redirects") is False)
        response = send(request, **options)
        _check_answer(service, response)
        return response

    session.send = checked  # type: ignore[method-assign]
    return session


def _unreadable(response: requests.Response) -> bool:
    """Whether a good answer is not JSON; if it is, `response.json()` from now on gives numbers as they were written."""
    if not response.ok:
        return False
    try:
        value = load_json(response.content.decode(response.encoding or "utf-8")) if response.content else None
    except (ValueError, LookupError):
        return True
    response.json = lambda **_: value  # type: ignore[method-assign]
    return False


def _check_request(service: Service, request: requests.PreparedRequest, asked: set[str], redirected: bool) -> None:
    url = str(request.url)
    if service.auth and _origin(url) != _origin(service.base):
        raise SourceError(
            "the next page is on another server, which must not get the credentials",
            **service.facts,
            url=service.name,
            hint="Correct the location of the source, or ask the service's owner.",
        )
    if url in asked and not redirected:
        raise MalformedDataError(
            "the pages go in a circle: one comes a second time",
            **service.facts,
            url=service.name,
            hint="Correct the paginator in the contract.",
        )
    asked.add(url)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _check_answer(service: Service, response: requests.Response) -> None:
    """A page without what the data selector names is no empty page: an error in another shape would look like one."""
    from dlt.common import jsonpath

    if not response.ok or response.is_redirect or response.status_code == 204:
        return
    facts = service.facts | {"url": service.name}
    if "json" not in vars(response):  # `_unreadable` said so
        raise MalformedDataError(
            "a page that is not JSON, or was cut off",
            **facts,
            attempts=service.max_retries + 1,
            hint="Look at what the service answers.",
        )
    if not jsonpath.find_values(service.selector, response.json()):
        raise MalformedDataError(
            f"a page without {service.selector!r}",
            **facts,
            hint="Correct the data selector in the contract, or look at what the service answers.",
        )
