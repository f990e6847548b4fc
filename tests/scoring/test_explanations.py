"""Segments in words: a reader who knows the words only sorts customers as the published shares say."""

from __future__ import annotations

import re
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ddcrm.scoring.actions import Actions
from ddcrm.scoring.explanations import Measure, explained
from ddcrm.scoring.models import ScoringModels
from ddcrm.scoring.schemes.base import Day
from ddcrm.scoring.scores import scored
from ddcrm.scoring.tables import DaySegments, published_tables
from ddcrm.scoring.words import number
from ddcrm.settings import SegmentSettings, ValueSettings

AMOUNT = r"(none|(?:at most|more than|at least|exactly) [\d.,]+(?: & at most [\d.,]+)?|[\d.,]+ to [\d.,]+)"
SAID = {
    r"last bought (.+) days? ago": "recency_days",
    r"first bought (.+) days? ago": "tenure_days",
    r"bought on (.+) days?": "purchase_days",
    r"spends (.+) a purchase day": "monetary_value",
    r"spent (.+) in the last 365 days": "spend_365d",
    r"bought on (.+) of the last 90 days": "purchase_days_90d",
    r"bought on (.+) of the last 365 days": "purchase_days_365d",
    r"bought on (.+) of the 90 days before": "before",
    r"bought (.+) different products?": "products",
    r"regularity above that of (.+) % of customers": "regular",
}


def fitting(text: str, rows: pd.DataFrame) -> pd.Series:
    """The customers whom an explanation means, read as a person reads it."""
    meant = pd.Series(False, index=rows.index)
    for way in text.split("; or "):
        parts = way.replace(" and at most ", " & at most ").split(" and ")
        meant |= np.logical_and.reduce([_holds(part, rows) for part in parts])
    return meant


def _holds(part: str, rows: pd.DataFrame) -> pd.Series:
    read = {column: re.fullmatch(pattern.replace("(.+)", AMOUNT), part) for pattern, column in SAID.items()}
    ((column, found),) = [(column, found) for column, found in read.items() if found]
    amount, values = found[1].replace(",", ""), rows[column]
    if span := re.fullmatch(r"([\d.]+) to ([\d.]+)", amount):
        return values.between(float(span[1]), float(span[2]))
    holds = pd.Series(True, index=rows.index)
    for bound in amount.split(" & "):
        how, _, number = bound.rpartition(" ")
        tests = {"at most": values.le, "more than": values.gt, "at least": values.ge, "exactly": values.eq}
        holds &= values.eq(0) if bound == "none" else tests[how](float(number))
    return holds


@pytest.fixture(scope="module")
def tables(features: pa.Table, models: ScoringModels) -> dict[str, pa.Table]:
    day = Day(scored(features, models, ValueSettings()), models, SegmentSettings())
    return published_tables(date(2026, 2, 3), day, DaySegments.nobody(), Actions({}))


def test_read_as_a_person_reads_them_the_words_are_right_as_often_as_they_say(
    features: pa.Table, tables: dict[str, pa.Table]
) -> None:
    scores = tables["customer_scores"].to_pandas().set_index("customer_id")
    rows = features.to_pandas().set_index("customer_id").astype({"spend_365d": float})
    rows["monetary_value"] = scores["monetary_value"].astype(float)
    rows["regular"], rows["before"] = scores["loyalty_regular"], rows["purchase_days_180d"] - rows["purchase_days_90d"]
    segments = tables["customer_segments"].to_pandas()
    profiles = tables["segment_profiles"].to_pandas()
    checked = 0
    for scheme, mine in profiles.groupby("scheme"):
        real = segments[segments["scheme"] == scheme].set_index("customer_id")["segment"]
        agreeing, meant_by = 0, pd.Series(0, index=rows.index)
        for profile in mine.itertuples():
            told = not profile.explanation.startswith("not told apart")
            meant = fitting(profile.explanation, rows) if told else pd.Series(False, index=rows.index)
            assert profile.explained_share == pytest.approx(meant[real == profile.segment].mean())
            agreeing += (meant & (real == profile.segment)).sum()
            meant_by, checked = meant_by + meant, checked + told
        assert (meant_by == 1).all(), scheme
        assert set(mine["fidelity"]) == {agreeing / len(rows)}
        assert agreeing / len(rows) > 0.5, scheme
    assert checked > 15
    assert profiles["explanation"].str.startswith("not told apart by three questions; most often, as ").any()


@pytest.mark.parametrize(
    ("value", "words"), [(-1e-17, "0"), (-0.04, "0.0"), (0.25, "0.2"), (3.0, "3"), (1234.5, "1,234"), (-2.5, "-2.5")]
)
def test_a_number_in_words(value: float, words: str) -> None:
    assert number(value) == words


def test_words_for_every_kind_of_bound() -> None:
    days, money = Measure("bought on {} days", np.array([1])), Measure("spends {} a day", np.array([1.5]))
    inf = float("inf")
    assert days.told(-inf, 1) == "bought on at most 1 day"
    assert days.told(1, inf) == "bought on more than 1 day"
    assert days.told(0, inf) == "bought on at least 1 day"
    assert (
        Measure("bought on {} of the last 90 days", days.values).told(-inf, 0) == "bought on none of the last 90 days"
    )
    assert days.told(2, 3) == "bought on exactly 3 days"
    assert days.told(30, 1090) == "bought on 31 to 1,090 days"
    assert days.told(-inf, 31) == "bought on at most 31 days"
    assert money.told(2.5, 1000) == "spends more than 2.50 and at most 1,000 a day"


def test_who_is_alone_is_everybody() -> None:
    found = explained([Measure("bought on {} days", np.array([3, 3]))], np.array([1, 1]), ("a", "b"))
    assert (found.words, found.fidelity, found.told) == ({1: "everybody"}, 1.0, {1: 1.0})
