"""JSON services as parts: dlt's rest_api follows the pages, one part a day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from ddcrm.contracts.model import Contract
from ddcrm.dates import DateRange
from ddcrm.errors import ContractError, MalformedDataError, MissingDataError, SettingsError
from ddcrm.settings import Settings
from ddcrm.sources.columns import expected_columns
from ddcrm.sources.http_client import Service
from ddcrm.sources.http_errors import service_errors
from ddcrm.sources.part import Part, make_part, shown_days, stamped
from ddcrm.sources.spool import Row, Spool

_AUTHS = {"bearer": "token", "basic": "password", "api_key": "api_key"}
_ENDLESS = {"offset": {"total_path": None}, "page_number": {"total_path": None}}  # dlt would look for a total


def open_http(contract: Contract, settings: Settings, dates: DateRange) -> Iterator[Part]:
    """A part for each day; what does not depend on the day is what is known on the last one.

    Raises MissingDataError after the last day for the days without rows, unless the contract allows them.
    """
    daily = _has_day(contract)
    empty = []
    for day in dates if daily else [dates.last]:
        part, rows = _open_day(contract, settings, day)
        if rows or contract.allow_empty:
            yield part
        else:
            empty.append(day)
    if empty:
        raise MissingDataError(
            "the service has no rows",
            source=contract.source,
            partition=shown_days(empty),
            hint="Run it again when they are there, or say in the contract that a day may be empty.",
        )


def _open_day(contract: Contract, settings: Settings, day: date) -> tuple[Part, int]:
    service, endpoint = _service(contract, settings, day), _endpoint(contract, day)
    spool = Spool(_rows(service, endpoint), service.facts)
    columns = spool.columns or expected_columns(contract)
    batches = stamped(spool.batches(), service.name, str(day))
    return make_part(contract.source, DateRange(day, day), columns, batches), spool.rows


def _rows(service: Service, endpoint: dict[str, Any]) -> Iterator[Row]:
    with service_errors(service):
        for number, item in enumerate(service.items(endpoint), 1):
            if not isinstance(item, dict):
                raise MalformedDataError(
                    "a row that is not a JSON object",
                    **service.facts,
                    row=number,
                    hint="Correct the data selector in the contract.",
                )
            yield number, item


def _service(contract: Contract, settings: Settings, day: date) -> Service:
    options = contract.server.options
    base = (settings.source(contract.source).location or contract.server.location).rstrip("/")
    if not base.startswith(("http://", "https://")):
        raise SettingsError(
            f"the source {contract.source!r} has no address",
            hint="Set its location in ddcrm.toml under [sources], or in the contract.",
        )
    path = _filled(str(options.get("path", "")), day, contract)
    facts = {"source": contract.source, "partition": str(day)}
    return Service(
        base=base,
        path=path,
        facts=facts,
        auth=_auth(contract, settings, facts),
        selector=str(options.get("data_selector") or "$"),
        max_retries=int(options.get("max_retries", 5)),
        timeout_seconds=float(options.get("timeout_seconds", 60)),
        backoff_seconds=float(options.get("backoff_seconds", 1)),
    )


def _endpoint(contract: Contract, day: date) -> dict[str, Any]:
    """Parameters and paginator in dlt's words."""
    options = contract.server.options
    paginator = dict(options.get("paginator") or {"type": "single_page"})
    parameters: Mapping[str, Any] = options.get("params") or {}
    params = {
        name: _filled(value, day, contract) if isinstance(value, str) else value for name, value in parameters.items()
    }
    return {"params": params, "paginator": _ENDLESS.get(str(paginator.get("type")), {}) | paginator}


def _auth(contract: Contract, settings: Settings, facts: dict[str, Any]) -> dict[str, Any] | None:
    """How to authenticate in dlt's words, with the secret's value."""
    auth = dict(contract.server.options.get("auth") or {})
    if not auth:
        return None
    kind, secret = str(auth.pop("type", "bearer")), auth.pop("secret", None) or contract.server.secret
    if kind not in _AUTHS or secret is None:
        raise ContractError(
            f"the authentication {kind!r} is none of {', '.join(_AUTHS)}, or names no secret",
            source=contract.source,
            file=contract.file,
        )
    value = settings.secret(secret, **facts)
    return {**auth, "type": "http_basic" if kind == "basic" else kind, _AUTHS[kind]: value}


def _has_day(contract: Contract) -> bool:
    options = contract.server.options
    texts = [options.get("path"), *(options.get("params") or {}).values()]
    return any(isinstance(text, str) and ("{batch_date" in text or "{next_date" in text) for text in texts)


def _filled(text: str, day: date, contract: Contract) -> str:
    try:
        return text.format(batch_date=day, next_date=day + timedelta(days=1))
    except (KeyError, IndexError, ValueError, AttributeError):
        raise ContractError(
            f"{text!r} has another placeholder than {{batch_date}} and {{next_date}}",
            source=contract.source,
            file=contract.file,
        ) from None
