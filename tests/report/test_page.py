"""The report of a published day, from a small shop's files to the page; no customer is named in it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median

import pytest

from ddcrm.dates import DateRange
from ddcrm.errors import MissingDataError
from ddcrm.models import MBGNBD, BetaGeoNBD
from ddcrm.pipeline import report as pipeline
from ddcrm.pipeline.ingest import ingest
from ddcrm.pipeline.record import opened
from ddcrm.pipeline.report import report
from ddcrm.pipeline.score import publish, score
from ddcrm.pipeline.train import train
from ddcrm.report.page import Page, Section, Table, render
from ddcrm.report.published import PublishedDay, read_day
from ddcrm.report.sections import business_section, facts, model_section, segment_sections, value_section
from ddcrm.report.tracking import Tracked
from ddcrm.settings import Settings
from tests.pipeline.lived import SCHEMES, segments
from tests.pipeline.reading import rows
from tests.pipeline.shop import FIRST, Shop
from tests.report.outside import references

PROFILE = {"share": 1.0, "revenue_share": 1.0, "typical": "t", "rule": "r", "action": "a", "explanation": None,
           "fidelity": None, "explained_share": None}  # fmt: skip


def test_a_published_day(tmp_path: Path, warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDCRM_WAREHOUSE_URL", warehouse_url)
    shop = Shop(tmp_path / "shop", days=60).make()
    segments(shop, SCHEMES)
    settings = shop.settings
    with pytest.raises(MissingDataError, match="no day is published yet"):
        report(settings)
    ingest(settings, "orders", DateRange(FIRST, shop.last))
    train(settings, shop.last)
    score(settings, shop.last)
    publish(settings, shop.last)
    result = report(settings)
    assert (result.as_of, result.file.name) == (shop.last, f"{shop.last}.html")
    assert {"Value", "Segments: rfm", "The business", "What was published"} <= set(result.sections)
    page = result.file.read_text("utf-8")
    [(customers,)] = rows(settings, "SELECT count(*) FROM crm.current_customer_scores")
    assert f"<dd>{customers:,}</dd>" in page
    assert page.count("<svg") >= 10
    assert "C0001" not in page
    assert references(page) == []
    deciles_are_those_of(page, settings)
    cards = pipeline._cards(settings, day_of(settings))
    assert {"value", "kmeans", "mbgnbd"} <= set(cards)
    assert cards["kmeans"]["trained_as_of"] == str(shop.last)
    assert page.count("Learned as of") == 1  # kmeans; nothing else here is learned
    speaking = cards["value"]["parameters"]["backtest"]
    tracked = pipeline._tracked(settings, shop.last, speaking | {"orders": "bgnbd", "alive": "mbgnbd"})
    assert isinstance(tracked, Tracked)
    assert [type(model) for model in (tracked.model, tracked.alive)] == [BetaGeoNBD, MBGNBD]
    assert report(settings, shop.last, tmp_path / "again.html").file.read_text("utf-8") == page
    with pytest.raises(MissingDataError, match="this day is not published"):
        report(settings, shop.last + timedelta(days=1))


def day_of(settings: Settings) -> PublishedDay:
    """The newest day as the report reads it."""
    with opened(settings) as ledger:
        day = ledger.current_day()
        assert day is not None
        return read_day(ledger.warehouse, day)


def deciles_are_those_of(page: str, settings: Settings) -> None:
    """The table of deciles against the customers' own rows."""
    query = "SELECT clv_365d, clv_365d_low, clv_365d_high FROM crm.current_customer_scores"
    scores = sorted(rows(settings, query), reverse=True)
    size, rest = divmod(len(scores), 10)
    assert (rest, scores[0][0] > scores[-1][0]) == (0, True)
    for place in (0, 9):
        value, low, high = zip(*scores[place * size : (place + 1) * size], strict=True)
        amounts = [sum(value), median(value)] + ([median(low), median(high)] if place == 0 else [])  # equal in the last
        cells = [str(place + 1), str(size), *(f"{amount:,.2f}" for amount in amounts)]
        assert "".join(f'<td class="number">{cell}</td>' for cell in cells) in page
    nothing = sum(row[2] == 0 for row in scores)
    assert 0 < nothing < len(scores)
    assert f"{nothing} of {len(scores)} customers have 0 to 0" in page


@pytest.mark.filterwarnings("error:Attempting to set identical")
def test_the_first_days_of_a_shop(tmp_path: Path, warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No model yet, so no value; no month after the first, so no retention."""
    monkeypatch.setenv("DDCRM_WAREHOUSE_URL", warehouse_url)
    shop = Shop(tmp_path / "shop", days=10).make()
    segments(shop, 'schemes = ["rfm"]')
    ingest(shop.settings, "orders", DateRange(FIRST, shop.last))
    score(shop.settings, shop.last)
    publish(shop.settings, shop.last)
    day = day_of(shop.settings)
    assert {row["months_since"] for row in day.found["cohorts"]} == {0}
    assert day.found["deciles"] == []
    page = report(shop.settings).file.read_text("utf-8")
    assert "Withheld: value:" in page
    assert "decile" not in page
    assert "0 to 0" not in page
    assert "Learned as of" not in page
    titles = [made.axes[0].get_title(loc="left") for made in business_section(day).figures]
    assert titles
    assert not [title for title in titles if "Retention" in title]


@pytest.mark.parametrize("unit_days", [1.0, 7.0, 180.0, 365.0])
def test_the_history_is_in_units_of_the_models_however_long(unit_days: float) -> None:
    model = MBGNBD.with_parameters(r=0.5, alpha=200 / unit_days, a=0.9, b=1.6)
    section = model_section(model, model, 400.0, unit_days)
    purchases, alive = ([made.axes[0].images[0].get_array()[-1, 5]] for made in section.figures)
    X = {"frequency": [5.0], "recency": [400 / unit_days], "tenure": [400 / unit_days]}
    assert purchases == pytest.approx(model.expected_purchases(X, 90 / unit_days))
    assert purchases[0] > 0.5
    assert alive == pytest.approx(model.p_alive(X))


def test_p_alive_is_of_the_model_that_speaks_of_it() -> None:
    orders = BetaGeoNBD.with_parameters(r=0.5, alpha=30.0, a=0.9, b=1.6)
    alive = MBGNBD.with_parameters(r=0.5, alpha=30.0, a=0.9, b=1.6)
    section = model_section(orders, alive, 40.0, 1.0)
    titles = [made.axes[0].get_title(loc="left") for made in section.figures]
    assert ["BetaGeoNBD" in title for title in titles] == [True, False]
    assert ["MBGNBD" in title for title in titles] == [False, True]
    assert section.figures[1].axes[0].images[0].get_array()[0, 0] == pytest.approx(
        alive.p_alive({"frequency": [0.0], "recency": [0.0], "tenure": [40.0]})[0]
    )
    silent = model_section(orders, None, 40.0, 1.0)
    assert (len(silent.figures), silent.words) == (1, ["No model speaks of P(alive)."])


def test_the_horizon_of_value_is_the_settings() -> None:
    totals = {"customers": 2, "valued": 2, "clv": 30, "orders_90d": 1, "p_alive": None, "withheld": None,
              "with_interval": 0}  # fmt: skip
    unknown = dict.fromkeys(("clv_median", "low_median", "high_median"))
    deciles = [{"decile": n, "customers": 1, "clv": Decimal(30 - 10 * n), **unknown} for n in (1, 2)]
    day = PublishedDay(FIRST, {"totals": [totals], "deciles": deciles})
    for value, said in (({"horizon": "6 months"}, "6 months"), ({"horizon_days": 90}, "90 days"), ({}, "365 days")):
        horizon = pipeline._horizon(Settings.model_validate({"value": value}))
        assert facts(day, horizon)[f"value of the next {said}"] == "30"
        section = value_section(day, None, "none", horizon)
        made = section.figures[0]
        assert made.axes[0].get_title(loc="left") == f"Value of the next {said} by decile of customers"
        assert section.tables[0].rows == [["1", "1", "20.00", "", "", ""], ["2", "1", "10.00", "", "", ""]]
        assert section.words == ["No model of purchases beside what came: none."]


def test_who_may_not_speak_and_why_is_said() -> None:
    measures = {name: {"rmse": 1.0} for name in ("rate_so_far", "ridge")}
    back_test = {
        "champion": "rate_so_far", "reason": "it is best", "alive": None, "barred": {"ridge": "it is of 90 days"},
        "methods": {name: {"spend": one} for name, one in measures.items()} | {"mbgnbd": {"failed": "it is flat"}},
    }  # fmt: skip
    day = PublishedDay(FIRST, {"totals": [{"withheld": None}], "deciles": []})
    section = value_section(day, back_test, "none", "90 days")
    assert section.words[:3] == [
        "rate_so_far speaks of value: it is best; P(alive) by nobody.",
        "ridge may not speak: it is of 90 days.",
        "mbgnbd may not speak: it is flat.",
    ]


def test_a_segment_is_explained_and_how_well() -> None:
    size = {"as_of": FIRST, "scheme": "usage", "customers": 5}
    why = [{"segment": "light", "explanation": "bought on 1 day", "fidelity": 0.9, "explained_share": 0.875},
           {"segment": "zero", "explanation": "not told apart", "fidelity": 0.9, "explained_share": 0.0},
           {"segment": "old", "explanation": None, "fidelity": None, "explained_share": None}]  # fmt: skip
    profiles = [PROFILE | size | each for each in why]
    [section] = segment_sections(PublishedDay(FIRST, {"profiles": profiles, "sizes": profiles, "migration": []}), {})
    place = list(section.tables[0].head).index("explanation")
    told = [row[place] for row in section.tables[0].rows]
    assert told == ["bought on 1 day (true of 87.5 % of them)", "not told apart", ""]
    assert [words for words in section.words if "the same of 90.0 % of all customers" in words]


@pytest.mark.parametrize(("before", "figures"), [("(new)", 1), ("light", 2)])
def test_without_a_day_before_there_is_no_migration(before: str, figures: int) -> None:
    size = {"as_of": FIRST, "scheme": "usage", "segment": "light", "customers": 5}
    profile = PROFILE | size
    move = {"scheme": "usage", "from_segment": before, "to_segment": "light", "customers": 5}
    day = PublishedDay(FIRST, {"profiles": [profile], "sizes": [size], "migration": [move]})
    [section] = segment_sections(day, {})
    assert (len(section.figures), len(section.words)) == (figures, 2 - figures)


def test_numbers_stand_to_the_right_by_column() -> None:
    rows = [["a", "1,200", "20.0 %", "7a849d ..."], ["1", "-0.5", "", "05321b ..."]]
    table = Table(["name", "rows", "share", "digest"], rows)
    assert table.numbers == [False, True, True, False]
    page = render(Page("t", {}, [Section("s", (), (), [table])]))
    assert '<th class="number">rows</th>' in page
    assert '<td class="number">20.0 %</td>' in page
    assert "<td>05321b ...</td>" in page


@pytest.mark.parametrize(
    "wrong",
    [
        '<a href="https://example.org">', "<a href='//example.org'>", '<a href="other.html">', '<img src="x.png">',
        '<img srcset="x.png 2x">', '<link rel="stylesheet" href="#">', "<script>fetch('x')</script>",
        '<p style="background: url(x.png)">', "<style>p { background: url('https://example.org/x') }</style>",
        "<style>@import 'x.css';</style>", '<svg><use xlink:href="x.svg#a"/></svg>', '<path clip-path="url(x.svg#a)"/>',
        '<meta http-equiv="refresh" content="0; url=x">', '<p onclick="go()">', '<form action="x">', '<base href="/">',
        '<video poster="x">', "<iframe></iframe>",
    ],
)  # fmt: skip
def test_whatever_a_page_would_ask_others_for_is_found(wrong: str) -> None:
    assert references(f"<html><body><p>well</p>{wrong}</body></html>")


def test_what_stands_in_the_page_itself_is_no_reference() -> None:
    inside = '<a href="#s1">x</a><path clip-path="url(#p1)"/><image xlink:href="data:image/png;base64,AA"/>'
    assert references(f"<html><body>{inside} fetch(x) url(x) https://example.org</body></html>") == []


def test_what_the_data_say_is_escaped() -> None:
    table = Table(["segment"], [["<script>alert(1)</script>"]])
    page = render(Page("<b>", {"a & b": "1"}, [Section("t", ["x < y"], (), [table])]))
    assert "<script>" not in page
    assert "&lt;b&gt;" in page
    assert "x &lt; y" in page
