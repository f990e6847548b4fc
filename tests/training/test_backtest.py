"""The windows, what each may know, and that the card says what was measured, by whom, and who speaks."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from ddcrm.errors import ConvergenceError, InsufficientDataError
from ddcrm.lake.engine import Engine
from ddcrm.models.champion import Bands, Champion
from ddcrm.models.regression import KINDS
from ddcrm.scoring.forecast import forecast
from ddcrm.scoring.models import ScoringModel, ScoringModels
from ddcrm.settings import PurchaseSettings, Settings, ValueSettings
from ddcrm.training.backtest import Holdout, Split, read_holdout, run, split_of
from ddcrm.training.champion import BackTest, back_test, fitted
from ddcrm.training.methods import Calibration, Predicted, methods
from tests.scoring import lake

DAY = date(2026, 4, 8)
VALUE = ValueSettings()
VERSIONS = {"bgnbd": "b1", "mbgnbd": "m1", "pareto_nbd": "p1", "gamma_gamma": "g1"}


@pytest.fixture(scope="module")
def holdout() -> Holdout:
    """Customers who buy as Pareto/NBD says and spend as Gamma-Gamma says, weekly rates; a year, then 90 days."""
    chance = np.random.default_rng(4)
    n, year, ahead = 3000, 365, 90
    rate, leaving = chance.gamma(0.7, 1 / 6.0, n) / 7, chance.gamma(0.6, 1 / 10.0, n) / 7
    worth = chance.gamma(6.0, 1.0, n) * 8
    first = chance.integers(0, year - 30, n)
    rows = [_customer(chance, *one, year, ahead) for one in zip(rate, leaving, worth, first, strict=True)]
    given = ("recency_days", "tenure_days", "frequency", "monetary_value", "repeat_monetary_value")
    names = (*given, "last", "last_spend", "later", "later_spend")
    columns = dict(zip(names, map(np.array, zip(*rows, strict=True)), strict=True))
    known = Calibration({name: columns[name] for name in given}, ahead, columns["last"], columns["last_spend"])
    return Holdout(Split(DAY - timedelta(days=ahead), ahead), known, columns["later"], columns["later_spend"], "d")


def _customer(chance: np.random.Generator, rate: float, leaving: float, worth: float, first: int, year: int,
              ahead: int) -> tuple[float, ...]:  # fmt: skip
    gone = first + chance.exponential(1 / leaving)
    days, day = [float(first)], first + chance.exponential(1 / rate)
    while day < min(gone, year + ahead):
        days.append(day)
        day += chance.exponential(1 / rate)
    bought = np.unique(np.floor(days))
    spent = chance.gamma(6.0, worth / 6.0, len(bought))
    past, last, later = bought < year, (bought < year) & (bought >= year - ahead), bought >= year
    repeat = spent[past][1:].mean() if past.sum() > 1 else np.nan
    return (year - bought[past][-1], year - first, past.sum() - 1.0, spent[past].mean(), repeat,
            float(last.sum()), spent[last].sum(), float(later.sum()), spent[later].sum())  # fmt: skip


def test_the_windows_follow_the_settings_and_the_history() -> None:
    first = date(2025, 1, 1)
    assert split_of(first, first + timedelta(days=364), VALUE) == Split(first + timedelta(days=274), 90)
    assert split_of(first, first + timedelta(days=98), VALUE).holdout_days == 33
    month = ValueSettings(holdout_days=10, min_history_days=30)
    assert split_of(first, first + timedelta(days=29), month) == Split(first + timedelta(days=19), 10)
    assert split_of(first, first + timedelta(days=818), VALUE).holdout_days == 90
    assert split_of(first, first + timedelta(days=819), VALUE) == Split(first + timedelta(days=454), 365)
    assert split_of(first, first + timedelta(days=819), ValueSettings(holdout_days=90)).holdout_days == 90
    assert split_of(first, first + timedelta(days=99), ValueSettings(horizon_days=30)).holdout_days == 30
    with pytest.raises(InsufficientDataError, match="a history of 29 days, fewer than the 30"):
        split_of(first, first + timedelta(days=28), month)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return lake.project(tmp_path / "project")


def test_the_calibration_knows_nothing_of_later_and_the_truth_is_that_of_as_of(settings: Settings) -> None:
    history = lake.history()
    lake.commit(settings, history)
    split, after = Split(DAY - timedelta(days=30), 30), DAY + timedelta(days=1)
    rows = [row for row in history.to_pylist() if row["event_date"] <= split.cut]
    customers = sorted({row["customer_key"] for row in rows})
    late = lake.orders([(customers[0], split.cut - timedelta(days=3), 50.0), (customers[1], DAY, 70.0)], DAY, "L")
    with Engine(settings) as engine:
        before = read_holdout(engine, DAY, split)
        lake.commit(settings, lake.orders([(customers[2], DAY, 90.0)], after, "F"))
        assert read_holdout(engine, DAY, split).digest == before.digest
        that_day = [row for row in history.to_pylist() if row["batch_date"] == DAY]
        lake.commit(settings, late.from_pylist([*that_day, *late.to_pylist()], late.schema))
        later = read_holdout(engine, DAY, split)
    for name, column in before.known.columns.items():
        np.testing.assert_array_equal(later.known.columns[name], column)
    assert (later.purchases - before.purchases).sum() == 1
    assert (later.spend - before.spend).sum() == pytest.approx(70.0)
    days = {customer: {row["event_date"] for row in rows if row["customer_key"] == customer} for customer in customers}
    assert before.known.columns["frequency"].tolist() == [len(days[customer]) - 1 for customer in customers]
    start = split.cut - timedelta(days=30)
    assert before.known.last_purchases.tolist() == [sum(day > start for day in days[one]) for one in customers]


@pytest.fixture(scope="module")
def found(holdout: Holdout) -> BackTest:
    return back_test(holdout, VALUE, VERSIONS)


def test_all_methods_are_measured_and_a_model_that_is_true_speaks(holdout: Holdout, found: BackTest) -> None:
    assert list(found.measured) == list(methods(VALUE))
    assert [name for name, one in found.measured.items() if one.failed] == list(
        KINDS
    )  # there is nothing they could learn
    assert found.decision.beats_heuristic
    assert found.champion.method in VERSIONS
    assert found.champion.orders == found.champion.method
    assert found.champion.alive in ("mbgnbd", "pareto_nbd")
    speaking = found.measured["pareto_nbd"]
    assert speaking.spend is not None
    assert speaking.purchases is not None
    assert speaking.alive is not None
    predicted = methods(VALUE)["pareto_nbd"](holdout.known)
    assert speaking.spend["mae"] == pytest.approx(np.abs(predicted.spend - holdout.spend).mean())
    assert speaking.purchases["total_ratio"] == pytest.approx(1.0, abs=0.1)
    assert predicted.low is not None
    assert predicted.high is not None
    inside = (predicted.low <= holdout.spend) & (holdout.spend <= predicted.high)
    assert speaking.spend["coverage"] == pytest.approx(inside.mean())
    assert found.champion.bands is None
    assert predicted.p_alive is not None
    assert speaking.alive["brier"] == pytest.approx(((predicted.p_alive - (holdout.purchases > 0)) ** 2).mean())


def test_the_heuristics_are_what_they_say(holdout: Holdout) -> None:
    rate, last = (methods(VALUE)[name](holdout.known) for name in ("rate_so_far", "last_period"))
    given = holdout.known.columns
    wanted = given["frequency"] / given["tenure_days"] * 90
    assert rate.purchases == pytest.approx(wanted)
    assert rate.spend == pytest.approx(wanted * given["monetary_value"])
    assert last.spend == pytest.approx(holdout.known.last_spend)
    assert rate.p_alive is last.p_alive is None


@pytest.mark.parametrize("method", ["rate_so_far", "last_period"])
def test_what_a_heuristic_publishes_is_what_was_judged_in_proportion(holdout: Holdout, method: str) -> None:
    judged, known = methods(VALUE)[method](holdout.known), holdout.known
    assert judged.purchases is not None
    columns = {**known.columns, "last_purchase_days": known.last_purchases, "last_spend": known.last_spend}
    bands = Bands.learned(judged.spend, holdout.spend, 90)
    models = ScoringModels(ScoringModel("value", Champion(method, method, None, {}, bands, 90), "v1"))
    for days in (90, 365):
        said = forecast(models, columns, ValueSettings(horizon_days=days, discount_rate_annual=0.0))
        assert said is not None
        assert said.value == pytest.approx(judged.spend * days / 90)
        assert said.purchases[days] == pytest.approx(judged.purchases * days / 90)
        assert said.low == pytest.approx(bands.of(judged.spend, 90)[0] * days / 90)
    assert (judged.spend > 50).any()


def test_the_card_says_what_was_measured_and_what_counts(holdout: Holdout, found: BackTest) -> None:
    card = fitted(found, PurchaseSettings())
    told = card.parameters["backtest"]
    assert (told["customers"], told["holdout_days"], told["beats_heuristic"]) == (3000, 90, True)
    assert told["bought_in_holdout"] == (holdout.purchases > 0).sum()
    assert told["methods"]["pareto_nbd"]["alive_table"][0]["customers"] > 100
    measured = found.measured["bgnbd"].spend
    assert measured is not None
    assert card.metrics["bgnbd.spend.rmse"] == measured["rmse"]
    assert any("returns alone and zero spend are none" in note for note in card.notes)
    assert told["horizon_days"] == 365
    words = "judged over 90 days; it speaks of 365 by the model's own course of time, over which nothing was judged"
    assert words in card.notes
    same = back_test(holdout, ValueSettings(horizon_days=90), VERSIONS)
    assert "judged over 90 days, as many as it speaks of" in fitted(same, PurchaseSettings()).notes
    assert card.parameters["versions"] == {name: VERSIONS[name] for name in card.parameters["versions"]}
    assert {found.champion.method, found.champion.alive, "gamma_gamma"} == set(card.parameters["versions"])


def test_where_no_model_beats_it_the_heuristic_is_published_and_the_card_says_so(holdout: Holdout) -> None:
    """A world in which the last period does come again."""
    known = holdout.known
    again = Holdout(holdout.split, known, known.last_purchases, known.last_spend, "again")
    found = back_test(again, VALUE, VERSIONS)
    assert (found.champion.method, found.champion.orders, found.champion.days) == ("last_period", "last_period", 90)
    assert found.champion.versions == {found.champion.alive: VERSIONS[found.champion.alive]}
    assert "bgnbd" not in found.champion.versions
    bands = found.champion.bands
    assert bands is not None
    low, high = bands.of(known.last_spend, 90)
    assert (low <= again.spend).all()
    assert (again.spend <= high).all()
    assert not found.decision.beats_heuristic
    notes = fitted(found, PurchaseSettings()).notes
    assert any("a plain heuristic is published" in note for note in notes)
    assert any("it speaks of 365 in proportion" in note for note in notes)


def test_a_model_that_was_not_fitted_on_the_whole_may_not_speak(holdout: Holdout) -> None:
    found = back_test(holdout, VALUE, {"bgnbd": "b1", "gamma_gamma": "g1"})
    assert "pareto_nbd" in found.decision.barred
    assert (found.champion.method, found.champion.alive) == ("bgnbd", None)
    without_spend = back_test(holdout, VALUE, {"pareto_nbd": "p1"})
    assert not without_spend.decision.beats_heuristic
    with pytest.raises(InsufficientDataError, match="no model of purchases could be fitted"):
        back_test(holdout, VALUE, {"gamma_gamma": "g1"})


def test_a_method_that_fails_is_told_and_the_others_go_on(holdout: Holdout) -> None:
    def fails(known: Calibration) -> Predicted:
        raise ConvergenceError(model="x", reason="flat")

    def wild(known: Calibration) -> Predicted:
        return Predicted(None, np.full(len(known.last_spend), np.nan))

    found = run(holdout, {"fails": fails, "wild": wild, "rate_so_far": methods(VALUE)["rate_so_far"]})
    assert (found["fails"].failed, found["wild"].failed) == ("flat", "it predicts what is no finite number")
    assert found["rate_so_far"].failed is None


def test_a_holdout_in_which_nobody_bought_decides_nothing(holdout: Holdout) -> None:
    empty = Holdout(holdout.split, holdout.known, holdout.purchases * 0, holdout.spend * 0, "none")
    with pytest.raises(InsufficientDataError, match="nobody who was known before spent anything in the last 90 days"):
        back_test(empty, VALUE, VERSIONS)
