"""A service or a database that fails, through the whole of ingest: what can't pass changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from itertools import count
from urllib.parse import quote

import pytest

from ddcrm.dates import DateRange
from ddcrm.errors import DdcrmError, MalformedDataError, SourceAuthError, SourceUnavailableError
from ddcrm.pipeline.ingest import ingest
from ddcrm.warehouse.embedded import EmbeddedPostgres
from tests.pipeline.reading import conformed, landed, ledger
from tests.pipeline.shop import Shop
from tests.sources.conftest import Answer, Asked, Service

DAY = date(2026, 1, 10)
BEFORE = DateRange.parse("2026-01-08", "2026-01-09")
SERVER = "- {server: files, type: local, path: 'orders/{batch_date}.csv', format: csv}"
API = """- server: api
    type: api
    location: URL
    customProperties:
      - {property: ddcrm.http.path, value: /orders}
      - {property: ddcrm.http.params, value: {day: '{batch_date}'}}
      - {property: ddcrm.http.dataSelector, value: data}
      - {property: ddcrm.http.paginator, value: {type: offset, limit: 5}}
      - {property: ddcrm.http.maxRetries, value: 2}"""
DATABASE = """- server: shop
    type: postgresql
    host: somewhere
    port: 5432
    database: shop
    schema: public
    customProperties:
      - {property: ddcrm.secret, value: shop-db}
      - {property: ddcrm.sql.cursorColumn, value: OrderTS}"""


def served_by(shop: Shop, server: str) -> None:
    contract = shop.folder / "contracts/orders/1.0.0.yaml"
    contract.write_text(contract.read_text().replace(SERVER, server))


def pages(shop: Shop, bad: Answer | None = None, times: int = 10**9) -> Callable[[Asked], Answer]:
    """The shop's rows of a day, five a page; the second page of DAY is `bad` so many times."""
    failures = count()

    def answer(asked: Asked) -> Answer:
        day, begin = asked.query["day"], int(asked.query["offset"])
        if bad and (day, begin) == (str(DAY), 5) and next(failures) < times:
            return bad
        rows = shop.rows[date.fromisoformat(day)]
        return Answer({"data": rows[begin : begin + 5], "total": len(rows)})

    return answer


@pytest.fixture
def api(shop: Shop, service: Service) -> Service:
    """A service with the shop's orders, of which two days are in."""
    served_by(shop, API.replace("URL", service.url))
    service.answer = pages(shop)
    ingest(shop.settings, "orders", BEFORE)
    return service


def nothing_changed(shop: Shop, error: type[DdcrmError]) -> DdcrmError:
    before = landed(shop.settings), conformed(shop.settings), ledger(shop.settings)
    with pytest.raises(error) as caught:
        ingest(shop.settings, "orders", DateRange.parse(DAY))
    assert (caught.value.source, caught.value.partition) == ("orders", str(DAY))
    assert caught.value.hint
    assert (landed(shop.settings), conformed(shop.settings), ledger(shop.settings)) == before
    return caught.value


def test_a_service_that_fails_for_a_while_is_waited_for(shop: Shop, api: Service) -> None:
    api.answer = pages(shop, Answer(status=500), times=2)
    result = ingest(shop.settings, "orders", DateRange.parse(DAY))
    assert result.landed == result.conformed == len(shop.rows[DAY]) > 5


@pytest.mark.parametrize(("bad", "error"), [
    (Answer(status=500), SourceUnavailableError),
    (Answer(body=b'{"data": [{"OrderNo": "A1', missing=100), SourceUnavailableError),
    (Answer(body=b'{"data": [{"OrderNo": "A1'), MalformedDataError),
    (Answer(status=401), SourceAuthError),
], ids=["500", "breaks off in a page", "a cut page", "401"])  # fmt: skip
def test_a_service_that_fails_on_its_second_page(
    shop: Shop, api: Service, bad: Answer, error: type[DdcrmError]
) -> None:
    api.answer = pages(shop, bad)
    assert nothing_changed(shop, error).retryable == (error is SourceUnavailableError)
    api.answer = pages(shop)
    assert ingest(shop.settings, "orders", DateRange.parse(DAY)).conformed == len(shop.rows[DAY])


def test_a_database_that_refuses_the_password(
    shop: Shop, locked_postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(shop.settings, "orders", BEFORE)
    served_by(shop, DATABASE)
    host = quote(str(locked_postgres.socket_dir))
    monkeypatch.setenv("DDCRM_SECRET_SHOP_DB", f"postgresql://reader:horse%20battery@/postgres?host={host}")
    error = nothing_changed(shop, SourceAuthError)
    assert not error.retryable
    assert "horse" not in str(error)
    assert "shop-db" in str(error)
