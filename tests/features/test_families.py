"""The families of features on a few customers whose numbers are worked out by hand, day by day as things arrive."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import ibis
import pytest

from ddcrm.contracts import load_contracts
from ddcrm.contracts.entities import ENTITIES
from ddcrm.features.families import FAMILIES, FEATURE_TYPES, entities_of, families_of, offered
from ddcrm.features.purchases import FEATURE_TYPES as PURCHASE_TYPES
from ddcrm.features.table import feature_table
from ddcrm.lake.engine import Engine
from ddcrm.settings import PurchaseSettings
from tests.features.arrivals import ROOT, deliver, project

DAY = date(2026, 4, 10)
ALL = [name for name in FEATURE_TYPES if name not in PURCHASE_TYPES]


def order(number: str, customer: str, product: str | None = None) -> dict[str, Any]:
    return {"OrderNo": number, "Line": "1", "CustNo": customer, "OrderTS": "2026-01-05 12:00:00", "SKU": product,
            "Qty": "1", "Amount": "10.00", "UnitPrice": "10.00", "Cost": None, "Channel": "web", "Status": "completed",
            "Currency": "EUR"}  # fmt: skip


def event(number: str, moment: str, kind: str, channel: str | None, user: str = "anna") -> dict[str, Any]:
    return {"id": number, "ts": moment, "user": user, "type": kind, "sku": None, "channel": channel, "context": "{}"}


def ticket(number: str, opened: str, closed: str | None = None, content: str | None = None, who: str = "anna"
           ) -> dict[str, Any]:  # fmt: skip
    return {"id": number, "customer": f'{{"number": "{who}"}}', "opened_at": opened, "closed_at": closed,
            "kind": "technical", "channel": "phone", "satisfaction": content, "updated_at": opened}  # fmt: skip


def review(number: str, created: str, stars: str | None, customer: str = "anna") -> dict[str, Any]:
    return {"review_id": number, "customer": customer, "created": created, "product": "P1", "stars": stars,
            "comment": None, "lang": "de", "type": "review"}  # fmt: skip


def contact(number: str, sent: str, treated: str, opened: str | None, clicked: str | None, converted: str | None
            ) -> dict[str, Any]:  # fmt: skip
    return {"contact": number, "campaign": "K1", "customer": "anna", "sent": sent, "medium": "email",
            "treated": treated, "opened": opened, "clicked": clicked, "converted": converted,
            "cost": "0,10"}  # fmt: skip


def person(customer: str, registered: str, country: str | None, newsletter: str) -> dict[str, Any]:
    return {"customer_no": customer, "full_name": "A B", "email": "a@b.example", "phone": None, "born_on": None,
            "gender": "f", "city": "Bonn", "country": country, "registered_at": registered, "source_channel": "ads",
            "newsletter": newsletter, "updated_at": "2026-01-01 00:00:00+00"}  # fmt: skip


def product(number: str, category: str | None) -> dict[str, Any]:
    return {"product_id": number, "name": number, "category": category, "brand": None, "price": "1.00", "cost": "0.50",
            "description": None}  # fmt: skip


DELIVERED: dict[str, dict[str, list[dict[str, Any]]]] = {
    "orders": {
        "2026-01-05": [*(order(f"A{n}", "anna", sku) for n, sku in enumerate(("P1", "P2", "P3", "P9"))),
                       order("B1", "bert"), {**order("A9", "anna", "P4"), "Amount": "-5.00"}],
    },
    "events": {  # dora never bought
        "2025-04-10": [event("E0", "2025-04-10T08:00:00Z", "view", "app")],  # a year and a day before
        "2025-04-11": [event("E1", "2025-04-11T08:00:00Z", "view", "app")],
        "2026-01-11": [event("E2", "2026-01-11T09:00:00Z", "cart", "web")],  # 90 days: the first of them is the 11th
        "2026-03-11": [event("E3", "2026-03-11T23:50:00Z", "view", "web"),
                       event("E4", "2026-03-12T00:10:00Z", "search", "app"),  # the same session, on the next day
                       event("E5", "2026-03-12T00:40:00Z", "view", "app"),  # half an hour is not yet a pause
                       event("E6", "2026-03-12T01:10:01Z", "view", None)],
        "2026-04-01": [event("E7", "2026-04-01T10:00:00Z", "view", "web", "dora")],
        "2026-04-09": [event("E8", "2026-04-11T10:00:00Z", "view", "web")],  # told before it happened
        "2026-04-12": [event("E9", "2026-04-09T10:00:00Z", "view", "web")],  # told late
    },
    "tickets": {
        "2026-03-01": [ticket("T1", "2026-03-01T10:00:00Z")],
        "2026-03-05": [ticket("T1", "2026-03-01T10:00:00Z", "2026-03-05T10:00:00Z", "4")],
        "2026-04-08": [ticket("T2", "2026-04-08T08:00:00Z")],
        "2026-04-09": [ticket("T3", "2026-04-09T08:00:00Z", "2026-04-11T09:00:00Z", "5")],  # will be closed
        "2026-04-12": [ticket("T2", "2026-04-08T08:00:00Z", "2026-04-12T08:00:00Z", "1")],
        "2026-04-20": [ticket("T4", "2026-04-20T08:00:00Z")],
    },
    "feedback": {
        "2025-01-02": [review("F1", "2025-01-02T10:00:00", "5")],
        "2026-04-01": [review("F2", "2026-04-01T10:00:00", "2"), review("F3", "2026-04-01T12:00:00", "1")],
        "2026-04-07": [review("F4", "2026-04-07T10:00:00", None)],
        "2026-04-11": [review("F5", "2026-04-09T10:00:00", "5")],  # told late
    },
    "contacts": {  # a week after they were sent
        "2025-01-12": [contact("K1", "05.01.2025 09:00", "1", "1", "1", "1")],
        "2026-04-02": [contact("K2", "26.03.2026 09:00", "1", "1", "0", "0"),
                       contact("K3", "26.03.2026 09:00", "0", None, None, "1")],
        "2026-04-08": [contact("K4", "01.04.2026 09:00", "1", "0", "0", None)],
        "2026-04-12": [contact("K5", "05.04.2026 09:00", "1", "1", "1", "1")],
    },
    "customers": {
        "2026-01-01": [person("anna", "2025-12-31 23:30:00+00", "DE", "true"), person("carl", "2026-01-01", "AT", "1")],
        "2026-04-11": [person("anna", "2025-12-31 23:30:00+00", "FR", "false")],
    },
    "products": {
        "2026-01-05": [product("P1", "tea"), product("P2", "tea"), product("P3", "cups"), product("P4", "pots")],
        "2026-04-13": [product("P1", "cups"), product("P2", "tea"), product("P3", "cups"), product("P4", None)],
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(project(tmp_path_factory.mktemp("families") / "project")) as engine:
        for source, arrivals in DELIVERED.items():
            deliver(engine, source, arrivals)
        yield engine


def features(engine: Engine, as_of: date, names: list[str]) -> dict[str, dict[str, Any]]:
    found = feature_table(engine, as_of, names)
    assert found is not None
    assert found.column_names == ["customer_id", *(name for name in FEATURE_TYPES if name in names)]
    return {row.pop("customer_id"): row for row in found.to_pylist()}


def of(name: str) -> list[str]:
    return [each for family in FAMILIES if family.name == name for each in family.types]


def test_whoever_never_did_anything_has_zeros_and_nothing_else(engine: Engine) -> None:
    found = features(engine, DAY, ALL)
    assert list(found) == ["anna", "bert"]
    counts = {name for family in FAMILIES for name in family.counts}
    assert found["bert"] == {name: 0 if name in counts else None for name in ALL}
    assert {name for name in ALL if found["anna"][name] is None} == {"customer_region", "customer_tier"}


def test_events(engine: Engine) -> None:
    anna = features(engine, DAY, of("events"))["anna"]
    assert anna == {
        "events_30d": 3, "events_90d": 5, "events_365d": 6,  # the 12th of March is 30 days ago, and the first of 30
        "sessions_30d": 1, "sessions_90d": 3, "sessions_365d": 4,
        "views_90d": 3, "searches_90d": 1, "carts_90d": 1, "event_recency_days": 29, "event_channel": "app",
    }  # fmt: skip
    later = features(engine, date(2026, 4, 12), of("events"))["anna"]
    assert (later["events_30d"], later["event_recency_days"], later["event_channel"]) == (2, 1, "web")
    earlier = features(engine, date(2026, 3, 10), of("events"))["anna"]
    assert (earlier["events_30d"], earlier["events_365d"], earlier["event_recency_days"]) == (0, 3, 58)


def test_a_ticket_that_is_closed_later_is_open(engine: Engine) -> None:
    names = of("tickets")
    assert features(engine, DAY, names)["anna"] == {
        "tickets": 3, "tickets_90d": 3, "tickets_365d": 3, "tickets_open": 2, "ticket_recency_days": 1,
        "ticket_hours_mean": 96.0, "ticket_satisfaction_mean": 4.0,
    }  # fmt: skip
    young = features(engine, date(2026, 3, 4), names)["anna"]
    assert (young["tickets"], young["tickets_open"]) == (1, 1)
    assert (young["ticket_hours_mean"], young["ticket_satisfaction_mean"]) == (None, None)
    after = features(engine, date(2026, 4, 12), names)["anna"]
    assert (after["tickets"], after["tickets_open"], after["ticket_recency_days"]) == (3, 0, 3)
    assert after["ticket_hours_mean"] == (96 + 96 + 49) / 3
    assert after["ticket_satisfaction_mean"] == (4 + 1 + 5) / 3


def test_ratings_count_from_the_day_on_which_they_are_told(engine: Engine) -> None:
    names = of("feedback")
    assert features(engine, DAY, names)["anna"] == {
        "feedback_count": 4, "feedback_365d": 3, "feedback_recency_days": 3,
        "feedback_rating_mean": (5 + 2 + 1) / 3, "feedback_rating_last": 1.5,
    }  # fmt: skip
    after = features(engine, date(2026, 4, 11), names)["anna"]
    assert (after["feedback_count"], after["feedback_recency_days"], after["feedback_rating_last"]) == (5, 2, 5.0)
    before = features(engine, date(2026, 3, 31), names)["anna"]
    assert (before["feedback_count"], before["feedback_365d"], before["feedback_rating_last"]) == (1, 0, 5.0)


def test_what_campaigns_brought_is_known_when_they_report(engine: Engine) -> None:
    names = of("contacts")
    assert features(engine, DAY, names)["anna"] == {
        "contacts_90d": 2, "contacts_365d": 2, "contacts_opened_365d": 1, "contacts_clicked_365d": 0,
        "contact_recency_days": 9, "contact_opened_rate": 2 / 3, "contact_clicked_rate": 1 / 3,
        "contact_converted_rate": 1 / 2,
    }  # fmt: skip
    after = features(engine, date(2026, 4, 12), names)["anna"]
    assert (after["contacts_90d"], after["contact_recency_days"], after["contact_converted_rate"]) == (3, 7, 2 / 3)


def test_a_customer_is_what_was_known_of_him(engine: Engine) -> None:
    names = of("customers")
    assert features(engine, DAY, names)["anna"] == {
        "customer_days": 100, "customer_consent": 1, "customer_country": "DE", "customer_region": None,
        "customer_channel": "ads", "customer_tier": None,
    }  # fmt: skip
    after = features(engine, date(2026, 4, 11), names)["anna"]
    assert (after["customer_days"], after["customer_consent"], after["customer_country"]) == (101, 0, "FR")


def test_categories_are_those_of_the_catalogue_of_the_day(engine: Engine) -> None:
    names = of("categories")
    assert features(engine, DAY, names)["anna"] == {  # P9 is not in it, P4 came back
        "categories": 2, "category_share": 2 / 3, "category_favourite": "tea",
    }  # fmt: skip
    after = features(engine, date(2026, 4, 13), names)["anna"]
    assert after == {"categories": 2, "category_share": 2 / 3, "category_favourite": "cups"}


def test_a_family_of_which_nothing_has_arrived_is_empty(engine: Engine) -> None:
    found = features(engine, date(2026, 1, 5), [*of("tickets"), *of("categories"), "spend"])["anna"]
    assert (found["tickets"], found["ticket_hours_mean"], found["categories"]) == (0, None, 2)
    assert found["spend"] == 35


def test_only_what_is_asked_for_is_read(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    from ddcrm.features import table

    read: list[str] = []
    view = table.as_of_view
    monkeypatch.setattr(table, "as_of_view", lambda *args: read.append(args[2]) or view(*args))
    feature_table(engine, DAY, ["spend", "tickets_open", "ticket_hours_mean"])
    assert read == ["orders", "tickets"]
    with pytest.raises(KeyError, match="no feature email"):
        feature_table(engine, DAY, ["email"])


def test_a_project_offers_what_its_contracts_feed(engine: Engine, tmp_path: Path) -> None:
    assert offered(load_contracts(ROOT / "contracts"), DAY) == tuple(FEATURE_TYPES)
    assert offered(load_contracts(ROOT / "examples/cdnow/contracts"), DAY) == tuple(PURCHASE_TYPES)
    assert offered(load_contracts(ROOT / "contracts"), date(2024, 1, 1)) == tuple(PURCHASE_TYPES)
    shutil.copytree(ROOT / "contracts", tmp_path / "contracts")
    file = tmp_path / "contracts/customers/1.0.0.yaml"
    plain = "{name: country, physicalName: country, logicalType: string, physicalType: text"
    assert plain in file.read_text()
    file.write_text(file.read_text().replace(plain, f"{plain}, classification: personal"))
    shutil.rmtree(tmp_path / "contracts/products")
    left = offered(load_contracts(tmp_path / "contracts"), DAY)
    assert set(FEATURE_TYPES) - set(left) == {"customer_country", *of("categories")}


def test_names_are_distinct_and_lead_to_what_they_read() -> None:
    assert len(FEATURE_TYPES) == len(PURCHASE_TYPES) + sum(len(family.types) for family in FAMILIES)
    assert [family.name for family in families_of(["tickets_open", "spend", "category_share"])] == [
        "tickets", "categories",
    ]  # fmt: skip
    assert entities_of(["tickets_open", "spend", "category_share"]) == ("orders", "products", "tickets")
    personal = {"name", "email", "phone", "birth_date", "gender", "city"}
    for family in FAMILIES:
        assert {*family.counts, *family.columns} <= family.types.keys()
        for entity, columns in family.reads.items():
            assert set(columns) <= {"event_date", *ENTITIES[entity].columns}
            assert not personal & set(columns)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_they_need_no_other_column_and_no_other_engine(family: Any) -> None:
    """Each is an expression over the columns that it says it reads, which Spark can run as well."""
    kinds = {"integer": "int64", "timestamp": "timestamp('UTC')", "decimal(18,2)": "decimal(18,2)", "double": "float64"}
    views = {}
    for entity, columns in family.reads.items():
        names = columns or tuple(ENTITIES[entity].columns)  # of orders, whatever purchases read
        types = {name: ENTITIES[entity].columns.get(name, "date") for name in ("event_date", *names)}
        days = {name.removesuffix("_at") + "_on": "date" for name in names if name in ("closed_at", "signed_up_at")}
        views[entity] = ibis.table(
            {name: kinds.get(kind, kind) for name, kind in {**types, **days}.items()}, name=entity
        )
    made = family.build(views, DAY, PurchaseSettings())
    assert set(made.columns) == {"customer_id", *family.types}
    assert "SELECT" in ibis.to_sql(made, dialect="pyspark")
