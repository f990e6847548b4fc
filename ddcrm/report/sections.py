"""The parts of a day's report, from what was read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ddcrm.features.units import in_units
from ddcrm.report import quality, segment_figures, value_figures
from ddcrm.report.page import Section, Table
from ddcrm.report.published import PublishedDay, Rows
from ddcrm.scoring.migration import NEW
from ddcrm.training.said import sentence, silence, silent

if TYPE_CHECKING:
    from ddcrm.report.tracking import Tracked

_PROFILE = ("segment", "customers", "share", "revenue_share", "typical", "rule", "explanation", "action")
_DECILE = {"decile": "decile", "customers": "customers", "clv": "value", "clv_median": "median value",
           "low_median": "median low", "high_median": "median high"}  # fmt: skip
_UNITS = {1.0: "day", 7.0: "week"}
_AHEAD_DAYS = 90


def facts(day: PublishedDay, horizon: str) -> dict[str, str]:
    """The line of numbers on top; horizon: of value, in words."""
    totals = day.totals
    found = {"customers": f"{totals['customers']:,}"}
    if totals["valued"]:
        found[f"value of the next {horizon}"] = f"{totals['clv']:,.0f}"
        found["purchase days expected in 90 days"] = f"{totals['orders_90d']:,.0f}"
    if totals["p_alive"] is not None:
        found["mean P(alive)"] = f"{totals['p_alive']:.2f}"
    return found


def value_section(
    day: PublishedDay, back_test: Mapping[str, Any] | None, tracked: Tracked | str, horizon: str
) -> Section:
    """Value: who speaks and why, deciles, and the model beside what came (or why there is none).

    horizon: of value, in words.
    """
    words: list[str] = []
    figures: list[Any] = []
    if day.totals["withheld"]:
        words.append(f"Withheld: {day.totals['withheld']}.")
    if back_test:
        words += [f"{said}." for said in (sentence(back_test), *silence(back_test))]
        spend = {name: one["spend"] for name, one in back_test["methods"].items() if one.get("spend")}
        words += quality.p_alive(back_test)
        barred = [name for names in silent(back_test).values() for name in names]
        figures.append(value_figures.back_test(spend, back_test["champion"], barred))
    tables = []
    if day.found["deciles"]:
        tables.append(_deciles(day.found["deciles"]))
        words += quality.intervals(day.totals)
        title = f"Value of the next {horizon} by decile of customers"
        figures.append(value_figures.value_deciles([row["clv"] for row in day.found["deciles"]], title=title))
    if isinstance(tracked, str):
        return Section("Value", [*words, f"No model of purchases beside what came: {tracked}."], figures, tables)
    return Section("Value", words, [*figures, *_tracked(tracked)], tables)


def _deciles(rows: Rows) -> Table:
    return Table([*_DECILE.values()], [[_amount(row[name]) for name in _DECILE] for row in rows])


def _amount(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _tracked(found: Tracked) -> list[Any]:
    name = type(found.model).__name__
    return [
        value_figures.calibration(
            found.frequency, found.predicted, found.actual, holdout_days=found.holdout_days, model=name
        ),
        value_figures.tracking(found.days, found.cumulative, found.expected, trained_to=found.trained_to, model=name),
    ]


def model_section(model: Any, alive: Any, tenure_days: float, unit_days: float) -> Section:
    """What the models of purchases and of P(alive) (None where none speaks) say of any history."""
    tenure, horizon = in_units(tenure_days, unit_days), in_units(float(_AHEAD_DAYS), unit_days)
    unit = _UNITS.get(unit_days, f"{unit_days:g}-day period")
    asked: tuple[tuple[Any, Any], ...] = ((model, "expected_purchases"), (alive, "p_alive"))
    figures = [
        value_figures.frequency_recency(one, what, tenure=tenure, horizon=horizon, unit=unit)
        for one, what in asked
        if one is not None
    ]
    words = [] if alive is not None else ["No model speaks of P(alive)."]
    return Section("What the models say of a history", words, figures)


def segment_sections(day: PublishedDay, cards: Mapping[str, Mapping[str, Any]]) -> list[Section]:
    """A part for each scheme: sizes, migration, profiles; cards: of the models that scored the day, by name."""
    return [_scheme(day, scheme, cards.get(scheme)) for scheme in day.schemes]


def _scheme(day: PublishedDay, scheme: str, card: Mapping[str, Any] | None) -> Section:
    figures = [segment_figures.rfm_grid(day.found["rfm"])] if scheme == "rfm" else []
    figures.append(segment_figures.sizes_over_time(day.of("sizes", scheme), scheme))
    moves = day.of("migration", scheme)
    known = any(row["from_segment"] != NEW for row in moves)
    if known:
        figures.append(segment_figures.migration(moves, scheme, _names(scheme)))
    profiles = day.of("profiles", scheme)
    rows = [[_told(row) if name == "explanation" else _text(name, row[name]) for name in _PROFILE] for row in profiles]
    words = quality.segments(card)
    words += [] if known else ["The day before has no segments of this scheme: nobody has come from another one."]
    words += quality.explanations(profiles)
    return Section(f"Segments: {scheme}", words, figures, [Table([name.replace("_", " ") for name in _PROFILE], rows)])


def _told(row: Mapping[str, Any]) -> str:
    """Why somebody is in a segment, and of how many there it is true; none of those whom the questions don't tell."""
    share = row["explained_share"]
    return f"{row['explanation']} (true of {_text('share', share)} of them)" if share else row["explanation"] or ""


def _names(scheme: str) -> tuple[str, ...]:
    """The segments of a scheme, best first; none where a model names them."""
    from ddcrm.scoring.schemes import SCHEMES

    return (SCHEMES[scheme].names or ()) if scheme in SCHEMES else ()


def business_section(day: PublishedDay) -> Section:
    """Cohorts, what moved revenue, value by period."""
    figures = []
    if any(row["months_since"] for row in day.found["cohorts"]):
        figures.append(segment_figures.cohorts(day.found["cohorts"]))
    for period in sorted({row["period_days"] for row in day.found["tree"]})[:2]:
        rows = [row for row in day.found["tree"] if row["period_days"] == period]
        figures += [segment_figures.revenue_bridge(rows, period, split) for split in ("class", "factor")]
    if day.found["periods"]:
        figures.append(segment_figures.value_by_period(day.found["periods"]))
    return Section("The business", (), figures)


def origin_section(day: PublishedDay) -> Section:
    """What was published, with its digests."""
    rows = [[row["table_name"], f"{row['rows']:,}", row["digest"][:16] + " ..."] for row in day.found["publications"]]
    words = "A digest stands for the content: the same inputs give the same one, bit for bit."
    return Section("What was published", [words], (), [Table(["table", "rows", "digest"], rows)])


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name.endswith("share"):
        return f"{100 * value:.1f} %"
    return f"{value:,}" if isinstance(value, int) else str(value)
