"""Purchase features against plain Python on the same lines, and on CDNOW against the literature's convention."""

from __future__ import annotations

import itertools
import os
import statistics
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddcrm.features.purchases import FEATURE_TYPES, purchase_features
from ddcrm.features.units import model_times
from ddcrm.settings import PurchaseSettings

DAY = date(2024, 3, 1)
AS_OF = DAY + timedelta(days=400)
DATA = Path(os.environ.get("DDCRM_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
SCHEMA = pa.schema([
    ("customer_key", pa.string()), ("order_id", pa.string()), ("event_date", pa.date32()),
    ("amount", pa.decimal128(18, 2)), ("quantity", pa.int64()), ("product_id", pa.string()),
    ("channel", pa.string()), ("status", pa.string()),
])  # fmt: skip
Line = dict[str, Any]


@pytest.fixture(scope="module")
def con() -> ibis.BaseBackend:
    return ibis.duckdb.connect(threads=2)


def line(customer: str, day: int, amount: str, **more: Any) -> Line:
    facts = {"order_id": f"{customer}-{day}", "quantity": 1, "product_id": None, "channel": None, "status": None}
    day_of_event = DAY + timedelta(days=day)
    return {"customer_key": customer, "event_date": day_of_event, "amount": Decimal(amount), **facts, **more}


def features(
    con: ibis.BaseBackend, lines: list[Line], purchase: PurchaseSettings | None = None, as_of: date = AS_OF, **more: Any
) -> dict[str, Line]:
    """The features as dicts by customer."""
    orders = con.create_table("orders", pa.Table.from_pylist(lines, schema=SCHEMA), overwrite=True)
    table = con.to_pyarrow(
        purchase_features(orders, as_of, purchase or PurchaseSettings(), **more).order_by("customer_id")
    )
    return {row["customer_id"]: row for row in table.to_pylist()}


def expected(lines: list[Line], counts: str, as_of: date) -> dict[str, Line]:
    """The same in plain Python, customer by customer."""
    rows = {}
    for customer in {entry["customer_key"] for entry in lines}:
        mine = [entry for entry in lines if entry["customer_key"] == customer and entry["event_date"] <= as_of]
        bought = [entry for entry in mine if _counts(entry, counts)]
        if bought:
            rows[customer] = {"customer_id": customer, **_expected_one(mine, bought, as_of)}
    return rows


def _counts(entry: Line, counts: str) -> bool:
    return {"positive": entry["amount"] > 0, "non_negative": entry["amount"] >= 0, "any": True}[counts]


def _expected_one(mine: list[Line], bought: list[Line], as_of: date) -> Line:
    days = sorted({entry["event_date"] for entry in bought})
    spend = sum(entry["amount"] for entry in mine)
    refunds = -sum((entry["amount"] for entry in mine if entry["amount"] < 0), Decimal(0))
    repeat = sum((entry["amount"] for entry in mine if entry["event_date"] > days[0]), Decimal(0))
    gaps = [(after - before).days for before, after in itertools.pairwise(days)]
    ordered = {}
    for entry in sorted(bought, key=lambda entry: entry["event_date"]):
        ordered.setdefault(entry["order_id"], entry["event_date"])
    channels = sorted((entry["event_date"], entry["channel"]) for entry in bought if entry["channel"])
    last = max((day for day, _ in channels), default=None)
    row = {
        "first_purchase_on": days[0], "last_purchase_on": days[-1], "recency_days": (as_of - days[-1]).days,
        "tenure_days": (as_of - days[0]).days, "frequency": len(days) - 1, "purchase_days": len(days), "spend": spend,
        "refunds": refunds, "sales": spend + refunds,
        "refund_share": float(refunds) / float(spend + refunds) if spend + refunds else None,
        "monetary_value": max(float(spend) / len(days), 0.0), "repeat_spend": repeat,
        "repeat_monetary_value": max(float(repeat) / len(gaps), 0.0) if gaps else None,
        "items": sum(entry["quantity"] for entry in bought), "orders": len(ordered),
        "products": len({entry["product_id"] for entry in bought} - {None}) or None,
        "gap_mean_days": statistics.fmean(gaps) if gaps else None,
        "gap_std_days": statistics.stdev(gaps) if len(gaps) > 1 else None,
        "first_channel": channels[0][1] if channels else None,
        "last_channel": min((name for day, name in channels if day == last), default=None),
    }  # fmt: skip
    for days_back in (30, 90, 365):
        within = [entry for entry in mine if entry["event_date"] > as_of - timedelta(days=days_back)]
        row[f"spend_{days_back}d"] = sum((entry["amount"] for entry in within), Decimal(0))
        row[f"purchase_days_{days_back}d"] = sum(1 for day in days if day > as_of - timedelta(days=days_back))
        row[f"orders_{days_back}d"] = sum(1 for day in ordered.values() if day > as_of - timedelta(days=days_back))
    for days_back in (30, 60, 90, 180, 365, 730):
        row[f"purchase_days_{days_back}d"] = sum(1 for day in days if day > as_of - timedelta(days=days_back))
    return row


LINES = st.lists(
    st.builds(
        lambda customer, day, cents, **more: line(customer, day, str(Decimal(cents) / 100), **more),
        st.sampled_from(["a", "b", "B", "ä"]), st.integers(0, 420), st.integers(-900, 2000) | st.just(0),
        order_id=st.sampled_from([f"o{n}" for n in range(12)]), quantity=st.integers(-3, 9),
        product_id=st.sampled_from(["p", "q", None]), channel=st.sampled_from(["web", "shop", None]),
    ),
    min_size=1, max_size=40,
)  # fmt: skip


COUNTS: tuple[Any, ...] = ("positive", "non_negative", "any")


@pytest.fixture(scope="module")
def queries() -> dict[str, str]:
    """The features as SQL over a table `lines`: Ibis takes longer to write it than DuckDB to run it."""
    lines = ibis.table(ibis.schema(SCHEMA), name="lines")
    tables = {counts: purchase_features(lines, AS_OF, PurchaseSettings(counts=counts)) for counts in COUNTS}
    return {counts: str(ibis.to_sql(table, dialect="duckdb")) for counts, table in tables.items()}


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as con:
        yield con


@settings(max_examples=60, deadline=None)
@given(lines=LINES, counts=st.sampled_from(COUNTS))
def test_features_equal_plain_python_on_any_lines(
    queries: dict[str, str], database: duckdb.DuckDBPyConnection, lines: list[Line], counts: str
) -> None:
    database.register("lines", pa.Table.from_pylist(lines, schema=SCHEMA))
    rows = database.execute(queries[counts]).to_arrow_table().to_pylist()
    wanted = expected(lines, counts, AS_OF)
    assert {row["customer_id"] for row in rows} == wanted.keys()
    for row in rows:
        for name, value in wanted[row["customer_id"]].items():
            close = pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
            assert row[name] == close, (row["customer_id"], name)


def test_columns_have_the_documented_names_order_and_types(con: ibis.BaseBackend) -> None:
    orders = con.create_table("typed", pa.Table.from_pylist([line("a", 0, "1.00")], schema=SCHEMA), overwrite=True)
    table = purchase_features(orders, AS_OF, PurchaseSettings())
    assert {name: str(kind) for name, kind in table.schema().items()} == FEATURE_TYPES
    assert table.columns == tuple(FEATURE_TYPES)
    arrow = con.to_pyarrow(table).schema
    assert arrow.field("spend").type == pa.decimal128(18, 2)
    assert arrow.field("frequency").type == pa.int32()
    documented = (Path(__file__).parents[2] / "docs" / "features.md").read_text("utf-8")
    assert [name for name in FEATURE_TYPES if f"`{name}`" not in documented] == []


def test_lines_after_as_of_change_nothing(con: ibis.BaseBackend) -> None:
    lines = [line("a", 0, "5.00"), line("a", 30, "7.00"), line("b", 3, "2.00")]
    future = [line("a", 401, "99.00"), line("c", 402, "1.00"), line("b", 500, "-2.00")]
    assert features(con, lines + future) == features(con, lines)
    assert len(features(con, lines + future, as_of=AS_OF + timedelta(days=200))) == 3


def test_cancellations_alone_make_no_customer_unless_settings_say_so(con: ibis.BaseBackend) -> None:
    lines = [line("a", 0, "5.00"), line("refunded", 4, "-3.00"), line("free", 9, "0.00")]
    assert features(con, lines).keys() == {"a"}
    assert features(con, lines, PurchaseSettings(counts="non_negative")).keys() == {"a", "free"}
    assert features(con, lines, PurchaseSettings(counts="any")).keys() == {"a", "free", "refunded"}


def test_refunds_lower_spend_and_never_the_monetary_value_below_zero(con: ibis.BaseBackend) -> None:
    lines = [line("a", 0, "5.00"), line("a", 10, "8.00"), line("a", 11, "-2.00")]
    some, none = features(con, [*lines, line("b", 0, "5.00"), line("b", 9, "-6.00")]).values()
    assert (some["spend"], some["refunds"], some["frequency"]) == (Decimal("11.00"), Decimal("2.00"), 1)
    assert some["repeat_monetary_value"] == 6.0
    assert (none["spend"], none["monetary_value"]) == (Decimal("-1.00"), 0.0)


def test_returns_from_before_the_first_purchase_are_no_repeat_spend(con: ibis.BaseBackend) -> None:
    found = features(con, [line("a", 0, "-4.00"), line("a", 5, "10.00"), line("a", 9, "6.00")])["a"]
    assert (found["first_purchase_on"], found["repeat_spend"]) == (DAY + timedelta(days=5), Decimal("6.00"))
    assert found["spend"] == Decimal("12.00")


def test_sums_on_the_way_may_exceed_what_an_amount_can_hold(con: ibis.BaseBackend) -> None:
    """Three amounts near the bound of decimal(18,2), one of them refunded on another day."""
    most = "9999999999999999.99"
    lines = [line("a", 0, most, order_id="1"), line("a", 0, most, order_id="2"), line("a", 9, f"-{most}")]
    found = features(con, lines, columns=["spend"])["a"]
    assert found["spend"] == Decimal(most)


def test_excluded_status_leaves_a_line_out_and_no_status_does_not(con: ibis.BaseBackend) -> None:
    lines = [line("a", 0, "5.00", status="cancelled"), line("b", 0, "5.00"), line("c", 0, "5.00", status="done")]
    assert features(con, lines, PurchaseSettings(exclude_status=("cancelled",))).keys() == {"b", "c"}


def test_a_chosen_column_is_the_same_as_among_all(con: ibis.BaseBackend) -> None:
    lines = [line("a", day, "5.00", channel="web") for day in (0, 7, 20)]
    everything = features(con, lines)["a"]
    for name in ("first_channel", "repeat_spend", "gap_std_days", "orders_90d", "products"):
        assert features(con, lines, columns=[name])["a"] == {"customer_id": "a", name: everything[name]}
    with pytest.raises(KeyError, match="nonsense"):
        features(con, lines, columns=["nonsense"])


def test_orders_without_the_optional_columns_give_null_features(con: ibis.BaseBackend) -> None:
    bare = pa.Table.from_pylist([line("a", 0, "5.00")], schema=SCHEMA).select(
        ["customer_key", "order_id", "event_date", "amount"]
    )
    orders = con.create_table("bare", bare, overwrite=True)
    row = con.to_pyarrow(purchase_features(orders, AS_OF, PurchaseSettings(exclude_status=("x",)))).to_pylist()[0]
    assert (row["items"], row["products"], row["first_channel"]) == (None, None, None)
    assert row["spend"] == Decimal("5.00")


@pytest.mark.skipif(not (DATA / "cdnow").is_dir(), reason="the CDNOW data are not there (DDCRM_TEST_DATA)")
def test_cdnow_sample_equals_the_convention_of_the_literature(con: ibis.BaseBackend) -> None:
    """Fader, Hardie & Lee in weeks: 2,357 customers, zero-value days count, the first purchase gives no value."""
    names = ["customer", "sample", "day", "cds", "dollars"]
    raw = pd.read_csv(DATA / "cdnow" / "CDNOW_sample.txt", sep=r"\s+", header=None, names=names, dtype=str)
    raw["day"] = pd.to_datetime(raw["day"], format="%Y%m%d")
    lines = [
        {"customer_key": row.customer, "order_id": str(n), "event_date": row.day.date(), "amount": Decimal(row.dollars),
         "quantity": int(row.cds), "product_id": None, "channel": None, "status": None}
        for n, row in enumerate(raw.itertuples())
    ]  # fmt: skip
    end = date(1997, 9, 30)
    rows = features(con, lines, PurchaseSettings(counts="non_negative"), end)
    found = pd.DataFrame(rows.values()).set_index("customer_id")
    known = raw[raw.day <= pd.Timestamp(end)].assign(dollars=lambda frame: frame.dollars.astype(float))
    daily = known.groupby(["customer", "day"])["dollars"].sum().reset_index()
    summary = daily.groupby("customer")["day"].agg(["min", "max", "count"])
    repeats = daily[daily.day > daily.customer.map(summary["min"])].groupby("customer")["dollars"].mean()
    found = found.loc[summary.index]
    times = model_times({name: found[name].to_numpy() for name in ("frequency", "recency_days", "tenure_days")}, 7.0)
    assert len(found) == 2357
    assert (times["frequency"] == summary["count"] - 1).all()
    assert times["recency"] == pytest.approx((summary["max"] - summary["min"]).dt.days / 7)
    assert times["tenure"] == pytest.approx((pd.Timestamp(end) - summary["min"]).dt.days / 7)
    value = found["repeat_monetary_value"].dropna()
    assert value.to_dict() == pytest.approx(repeats.to_dict(), rel=1e-12)
    assert (value > 0).sum() == 946
