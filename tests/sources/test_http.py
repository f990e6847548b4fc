"""JSON over HTTP: all pages of a day, by each way of paging, with each way of authenticating."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ddcrm.contracts.model import Server
from ddcrm.errors import ContractError, MissingDataError, SettingsError
from ddcrm.settings import Settings, SourceSettings
from ddcrm.sources import open_source
from tests.sources.conftest import Answer, Asked, Service
from tests.sources.support import contract, days, read_all, rows

ITEMS = [{"id": n, "name": f"n{n}"} for n in range(25)]
Pages = Callable[[Asked], Answer]


def reading(service: Service, allow_empty: bool = False, **options: Any) -> Any:
    """A contract of the service's orders."""
    options = {"path": "orders", "data_selector": "data", "backoff_seconds": 0.01, **options}
    return contract(Server("http", location=service.url, options=options), ("id", "name"), allow_empty=allow_empty)


def read(contract: Any, settings: Settings | None = None) -> pa.Table:
    """The table of the one day."""
    [found] = read_all(contract, settings or Settings())
    return found


def by_offset(asked: Asked) -> Answer:
    start, limit = int(asked.query["offset"]), int(asked.query["limit"])
    return Answer({"data": ITEMS[start : start + limit]})


def by_offset_with_total(asked: Asked) -> Answer:
    return Answer({**by_offset(asked).content, "total": len(ITEMS)})


def by_page(asked: Asked) -> Answer:
    page = int(asked.query["page"])
    return Answer({"data": ITEMS[10 * page - 10 : 10 * page]})


def by_page_with_total(asked: Asked) -> Answer:
    return Answer({**by_page(asked).content, "pages": 3})


def by_cursor(asked: Asked) -> Answer:
    start = int(asked.query.get("after", "0"))
    return Answer({"data": ITEMS[start : start + 10], "next": start + 10 if start < 20 else None})


def by_link(asked: Asked) -> Answer:
    start = int(asked.query.get("start", "0"))
    link = {"Link": f'</orders?start={start + 10}>; rel="next"'} if start < 20 else {}
    return Answer({"data": ITEMS[start : start + 10]}, headers=link)


@pytest.mark.parametrize(
    ("answer", "paginator", "requests"),
    [
        (by_offset, {"type": "offset", "limit": 10}, 4),
        (by_offset_with_total, {"type": "offset", "limit": 10, "total_path": "total"}, 3),
        (by_page, {"type": "page_number", "base_page": 1}, 4),
        (by_page_with_total, {"type": "page_number", "base_page": 1, "total_path": "pages"}, 3),
        (by_cursor, {"type": "cursor", "cursor_path": "next", "cursor_param": "after"}, 3),
        (by_link, {"type": "header_link"}, 3),
    ],
)
def test_all_pages(service: Service, answer: Pages, paginator: dict[str, Any], requests: int) -> None:
    service.answer = answer
    found = read(reading(service, paginator=paginator))
    assert rows(found, "id", "name", "_line") == [(str(n), f"n{n}", n + 1) for n in range(25)]
    assert set(found["_source"].to_pylist()) == {f"{service.url}/orders"}
    assert len(service.asked) == requests


def test_a_single_page_that_is_the_list_itself(service: Service) -> None:
    service.answer = lambda asked: Answer(ITEMS)
    assert read(reading(service, data_selector=None)).num_rows == 25


@pytest.mark.parametrize("selector", ["data", "$.data", "result.data", "$"])
def test_one_row_is_a_row(service: Service, selector: str) -> None:
    content: dict[str, Any] = {"$": [ITEMS[0]], "result.data": {"result": {"data": [ITEMS[0]]}}}
    service.answer = lambda asked: Answer(content.get(selector, {"data": [ITEMS[0]]}))
    assert rows(read(reading(service, data_selector=selector))) == [("0", "n0")]


def test_values_as_they_are_written(service: Service) -> None:
    row = '{"a": 1.10, "b": 12345678901234567890.10, "c": {"d": [1e5, null, "ü"]}, "e": "", "f": null, "g": false}'
    service.answer = lambda asked: Answer(body=f'{{"data": [{row}]}}'.encode())
    expected = ("1.10", "12345678901234567890.10", '{"d":[1e5,null,"ü"]}', "", None, "false")
    assert rows(read(reading(service))) == [expected]


def test_columns_of_all_pages(service: Service) -> None:
    items = [{"a": 1}, {"b": 2}, {"a": 3, "c": 4}]
    service.answer = lambda asked: Answer({"data": items[int(asked.query["offset"]) :][:1]})
    found = read(reading(service, paginator={"type": "offset", "limit": 1}))
    assert rows(found, "a", "b", "c") == [("1", None, None), (None, "2", None), ("3", None, "4")]


def test_a_part_a_day(service: Service) -> None:
    service.answer = lambda asked: Answer({"data": [{"from": asked.query["from"], asked.query["to"]: 1}]})
    found = reading(
        service, path="days/{batch_date:%Y%m%d}", params={"from": "{batch_date}", "to": "{next_date}", "n": 5}
    )
    parts = list(open_source(found, Settings(), days("2026-03-01", "2026-03-03")))
    assert [str(part.dates) for part in parts] == ["2026-03-01", "2026-03-02", "2026-03-03"]
    assert [part.columns for part in parts] == [("from", f"2026-03-0{n}") for n in (2, 3, 4)]
    assert [part.reader.read_all()["_batch_date"][0].as_py() for part in parts] == [str(part.dates) for part in parts]
    assert [asked.path for asked in service.asked] == [f"/days/2026030{n}" for n in (1, 2, 3)]
    assert service.asked[0].query == {"from": "2026-03-01", "to": "2026-03-02", "n": "5"}


def test_what_has_no_day_is_what_is_known_on_the_last_one(service: Service) -> None:
    service.answer = lambda asked: Answer({"data": ITEMS})
    [part] = open_source(reading(service), Settings(), days("2026-03-01", "2026-03-03"))
    assert part.dates == days("2026-03-03")
    assert len(service.asked) == 1


def test_braces_are_doubled_where_they_are_meant(service: Service) -> None:
    service.answer = lambda asked: Answer({"data": ITEMS})
    read(reading(service, params={"filter": '{{"day": "{batch_date}"}}'}))
    assert service.asked[0].query == {"filter": '{"day": "2026-03-05"}'}
    with pytest.raises(ContractError, match="another placeholder"):
        read(reading(service, params={"filter": "{day}"}))


@pytest.mark.parametrize(
    ("auth", "header", "query"),
    [
        ({"type": "bearer"}, {"Authorization": "Bearer s3cret"}, {}),
        ({"type": "basic", "username": "me"},
         {"Authorization": "Basic " + base64.b64encode(b"me:s3cret").decode()}, {}),
        ({"type": "api_key", "name": "X-Key", "location": "header"}, {"X-Key": "s3cret"}, {}),
        ({"type": "api_key", "name": "key", "location": "query"}, {}, {"key": "s3cret"}),
    ],
)  # fmt: skip
def test_authentication(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    auth: dict[str, str],
    header: dict[str, str],
    query: dict[str, str],
) -> None:
    monkeypatch.setenv("DDCRM_SECRET_SHOP_TOKEN", "s3cret")
    service.answer = by_offset
    found = read(reading(service, auth={**auth, "secret": "shop-token"}, paginator={"type": "offset", "limit": 10}))
    assert found.num_rows == 25
    assert "s3cret" not in found["_source"][0].as_py()
    for asked in service.asked:
        assert header.items() <= asked.headers.items()
        assert query.items() <= asked.query.items()


def test_a_secret_that_is_not_set(service: Service) -> None:
    with pytest.raises(SettingsError, match="DDCRM_SECRET_NOT_SET"):
        read(reading(service, auth={"type": "bearer", "secret": "not-set"}))
    with pytest.raises(ContractError, match="names no secret"):
        read(reading(service, auth={"type": "bearer"}))


def test_the_deployments_address_wins(service: Service) -> None:
    service.answer = lambda asked: Answer({"data": ITEMS})
    elsewhere = contract(
        Server("http", location="http://127.0.0.1:9", options={"path": "/orders", "data_selector": "data"})
    )
    settings = Settings(sources={"shop": SourceSettings(location=f"{service.url}/v1/")})
    assert read(elsewhere, settings)["_source"][0].as_py() == f"{service.url}/v1/orders"
    assert service.asked[0].path == "/v1/orders"
    with pytest.raises(SettingsError, match="has no address"):
        read(contract(Server("http", options={"path": "orders"})))


def test_days_without_rows(service: Service) -> None:
    service.answer = lambda asked: Answer({"data": ITEMS if asked.query["day"] == "2026-03-02" else []})
    dates = days("2026-03-01", "2026-03-03")
    with pytest.raises(MissingDataError) as caught:
        read_all(reading(service, params={"day": "{batch_date}"}), Settings(), dates)
    assert (caught.value.source, caught.value.partition) == ("shop", "2026-03-01, 2026-03-03")
    tables = read_all(reading(service, allow_empty=True, params={"day": "{batch_date}"}), Settings(), dates)
    assert [table.num_rows for table in tables] == [0, 25, 0]
    assert tables[0].schema.names[:2] == ["id", "name"]


@pytest.mark.parametrize("answer", [Answer({"data": None}), Answer(status=204, body=b"")])
def test_nothing_at_all(service: Service, answer: Answer) -> None:
    service.answer = lambda asked: answer
    assert read(reading(service, allow_empty=True)).num_rows == 0


def test_nothing_of_dlt_is_left_behind(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    service.answer = lambda asked: Answer({"data": ITEMS})
    assert read(reading(service)).num_rows == 25
    assert list(tmp_path.iterdir()) == []
