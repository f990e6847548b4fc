"""The families of features of a demo company, against the same by pandas from its conformed rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ddcrm import demo
from ddcrm.features.families import FAMILIES
from ddcrm.features.table import feature_table
from ddcrm.lake.engine import Engine, read_parquet
from ddcrm.lake.layout import conformed_table
from tests.demo.reading import connect
from tests.features.arrivals import deliver_table, project

pytestmark = pytest.mark.xdist_group("demo")

COMPANY: dict[str, Any] = {"customers": 120, "first_day": "2025-06-01", "last_day": "2026-07-31"}
DAYS = [date(2026, 1, 6), date(2026, 7, 4)]  # both with things that arrived, and happened, later
QUARTER_END = "last_day(CAST(date_trunc('quarter', CAST(_batch_date AS DATE)) AS DATE) + INTERVAL 2 MONTH)"
SOURCES = ("orders", "events", "tickets", "feedback", "contacts", "customers", "products")
Frames = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A lake with all that the company's systems deliver, each quarter's at its end."""
    folder = tmp_path_factory.mktemp("features")
    demo.make(folder / "company", **COMPANY)
    with Engine(project(folder / "project")) as engine:
        with connect(folder / "company/sources") as connection:
            for source in SOURCES:
                rows = f"SELECT * REPLACE (CAST({QUARTER_END} AS VARCHAR) AS _batch_date) FROM {source}"
                text = f"SELECT COLUMNS(* EXCLUDE _line)::VARCHAR FROM ({rows} ORDER BY _batch_date, _line)"
                deliver_table(engine, source, connection.execute(text).to_arrow_table())
        yield engine


@pytest.fixture(scope="module")
def conformed(engine: Engine) -> Frames:
    """Every conformed row of each entity."""
    found = {}
    for source in SOURCES:
        files = read_parquet(conformed_table(engine.settings, source).files([]))
        found[source] = engine.con.execute(f"SELECT * FROM {files}").df()
    return found


KEYS = {"orders": ["order_id", "line_no"], "tickets": ["ticket_id"], "customers": ["customer_key"]}


def known(conformed: Frames, entity: str, as_of: date) -> pd.DataFrame:
    """What had arrived by a day, of each key the newest; of the catalogue the newest delivery; and had happened."""
    rows = conformed[entity]
    rows = rows[rows["batch_date"] <= str(as_of)].sort_values("batch_date", kind="stable")
    if entity == "products":
        rows = rows[rows["batch_date"] == rows["batch_date"].max()]
    if entity in KEYS:
        rows = rows.drop_duplicates(KEYS[entity], keep="last")
    happened = pd.to_datetime(rows["event_date"])
    rows = rows.assign(day=happened, ago=(pd.Timestamp(as_of) - happened).dt.days)
    return rows[rows["day"].isna() | (rows["ago"] >= 0)]


def first_of(counts: pd.Series) -> Any:
    """The name with the greatest count, of equal ones the first."""
    return None if counts.empty else counts.sort_index().idxmax()


def events(conformed: Frames, as_of: date) -> pd.DataFrame:
    rows = known(conformed, "events", as_of).sort_values(["customer_key", "occurred_at"])
    pause = rows.groupby("customer_key")["occurred_at"].diff()
    rows = rows.assign(begins=pause.isna() | (pause > pd.Timedelta(minutes=30)))
    found: dict[str, dict[str, Any]] = {}
    for customer, all_mine in rows.groupby("customer_key"):
        mine = all_mine[all_mine["ago"] < 365]
        if mine.empty:
            continue
        last = {n: mine[mine["ago"] < n] for n in (30, 90, 365)}
        found[customer] = {
            **{f"events_{n}d": len(last[n]) for n in last},
            **{f"sessions_{n}d": int(last[n]["begins"].sum()) for n in last},
            "views_90d": int((last[90]["kind"] == "view").sum()),
            "searches_90d": int((last[90]["kind"] == "search").sum()),
            "carts_90d": int((last[90]["kind"] == "cart").sum()),
            "event_recency_days": int(mine["ago"].min()),
            "event_channel": first_of(mine["channel"].value_counts()),
        }
    return pd.DataFrame.from_dict(found, orient="index")


def tickets(conformed: Frames, as_of: date) -> pd.DataFrame:
    rows = known(conformed, "tickets", as_of)
    end = pd.Timestamp(as_of, tz="UTC") + pd.Timedelta(days=1)  # the contract's calendar is UTC's
    closed = pd.to_datetime(rows["closed_at"], utc=True)
    opened = pd.to_datetime(rows["opened_at"], utc=True)
    rows = rows.assign(open=~(closed < end), hours=((closed - opened) / pd.Timedelta(hours=1)).where(closed < end),
                       content=rows["satisfaction"].where(closed.isna() | (closed < end)))  # fmt: skip
    groups = rows.groupby("customer_key")
    return pd.DataFrame({
        "tickets": groups.size(), "tickets_90d": groups["ago"].agg(lambda ago: (ago < 90).sum()),
        "tickets_365d": groups["ago"].agg(lambda ago: (ago < 365).sum()), "tickets_open": groups["open"].sum(),
        "ticket_recency_days": groups["ago"].min(), "ticket_hours_mean": groups["hours"].mean(),
        "ticket_satisfaction_mean": groups["content"].mean(),
    })  # fmt: skip


def feedback(conformed: Frames, as_of: date) -> pd.DataFrame:
    rows = known(conformed, "feedback", as_of)
    rows = rows[rows["customer_key"].notna()]
    groups = rows.groupby("customer_key")
    rated = rows[rows["rating"].notna()]
    newest = rated[rated["ago"] == rated.groupby("customer_key")["ago"].transform("min")]
    return pd.DataFrame({
        "feedback_count": groups.size(), "feedback_365d": groups["ago"].agg(lambda ago: (ago < 365).sum()),
        "feedback_recency_days": groups["ago"].min(), "feedback_rating_mean": groups["rating"].mean(),
        "feedback_rating_last": newest.groupby("customer_key")["rating"].mean(),
    })  # fmt: skip


def contacts(conformed: Frames, as_of: date) -> pd.DataFrame:
    rows = known(conformed, "contacts", as_of)
    rows = rows[rows["treated"].astype("boolean").fillna(True)]
    flags = {flag: rows[flag].astype("Float64") for flag in ("opened", "clicked", "converted")}
    rows = rows.assign(**flags)
    year, groups = rows[rows["ago"] < 365].groupby("customer_key"), rows.groupby("customer_key")
    return pd.DataFrame({
        "contacts_90d": groups["ago"].agg(lambda ago: (ago < 90).sum()), "contacts_365d": year.size(),
        "contacts_opened_365d": year["opened"].sum(), "contacts_clicked_365d": year["clicked"].sum(),
        "contact_recency_days": groups["ago"].min(),
        **{f"contact_{flag}_rate": groups[flag].mean() for flag in flags},
    })  # fmt: skip


def customers(conformed: Frames, as_of: date) -> pd.DataFrame:
    rows = known(conformed, "customers", as_of).set_index("customer_key")
    signed_up = pd.to_datetime(rows["signed_up_at"], utc=True).dt.tz_localize(None).dt.normalize()
    return pd.DataFrame({
        "customer_days": (pd.Timestamp(as_of) - signed_up).dt.days,
        "customer_consent": rows["consent_marketing"].astype("Float64"),
        **{f"customer_{name}": rows[name] for name in ("country", "region", "channel", "tier")},
    })  # fmt: skip


def categories(conformed: Frames, as_of: date) -> pd.DataFrame:
    lines = known(conformed, "orders", as_of)
    kinds = known(conformed, "products", as_of).set_index("product_id")["category"]
    lines = lines[lines["amount"].astype(float) > 0]
    groups = lines.assign(category=lines["product_id"].map(kinds)).groupby("customer_key")["category"]
    counts = {customer: mine.value_counts() for customer, mine in groups}
    return pd.DataFrame({
        "categories": {customer: len(n) for customer, n in counts.items()},
        "category_share": {customer: n.max() / n.sum() for customer, n in counts.items() if len(n)},
        "category_favourite": {customer: first_of(n) for customer, n in counts.items()},
    })  # fmt: skip


@pytest.mark.parametrize("as_of", DAYS, ids=str)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_pandas_finds_the_same(engine: Engine, conformed: Frames, family: Any, as_of: date) -> None:
    table = feature_table(engine, as_of, ["recency_days", *family.types])
    assert table is not None
    found = table.to_pandas().set_index("customer_id").drop(columns="recency_days")
    expected = globals()[family.name](conformed, as_of).reindex(index=found.index, columns=list(family.types))
    for name, kind in family.types.items():
        mine, theirs = found[name], expected[name]
        if kind == "string":
            assert mine.fillna("").tolist() == theirs.fillna("").tolist()
        else:
            numbers = theirs.astype("Float64").to_numpy(float, na_value=np.nan)
            numbers = np.nan_to_num(numbers) if name in family.counts else numbers
            np.testing.assert_allclose(mine.astype(float), numbers, rtol=1e-12)
    told = [name for name in family.types if name not in ("customer_region", "customer_tier")]
    assert (found[told].nunique() > 1).mean() > 0.8


def test_more_was_told_later_of_what_had_happened_by_then(engine: Engine) -> None:
    """The day's features differ from those of the same events with hindsight: the comparison above is not idle."""
    for source in ("tickets", "contacts"):
        files = read_parquet(conformed_table(engine.settings, source).files([]))
        day = DAYS[0]
        after = f"SELECT count(*) FROM {files} WHERE batch_date > '{day}' AND event_date <= DATE '{day}'"
        assert engine.con.execute(after).fetchone() > (0,), source
    assert DAYS[1] + timedelta(days=1) < date.fromisoformat(COMPANY["last_day"])
