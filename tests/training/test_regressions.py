"""Value by regression: what it may learn from, validation in time, that it can win, speak and be refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from ddcrm.errors import InsufficientDataError, ModelError
from ddcrm.features.families import FEATURE_TYPES
from ddcrm.features.purchases import FEATURE_TYPES as PURCHASE_TYPES
from ddcrm.lake.engine import Engine
from ddcrm.models.persist import dumps, loads
from ddcrm.models.regression import KINDS, SpendRegression
from ddcrm.scoring.forecast import forecast, more_columns
from ddcrm.scoring.models import ScoringModel, ScoringModels
from ddcrm.settings import ValueSettings
from ddcrm.training.backtest import Holdout, Split
from ddcrm.training.champion import back_test
from ddcrm.training.methods import Calibration
from ddcrm.training.regressions import (
    Learning,
    _fit,
    check_customers,
    check_history,
    fit_kind,
    learning_days,
    offered_features,
    read_learning,
)
from tests.scoring import lake

KNOWN = {name: kind for name, kind in FEATURE_TYPES.items() if kind != "date" and name != "customer_id"}
TEXTS = tuple(name for name, kind in KNOWN.items() if kind == "string")
NUMBERS = tuple(name for name in KNOWN if name not in TEXTS)
DAY = date(2026, 4, 8)
N = 1500


def world(seed: int) -> Learning:
    """Customers whose spend to come is told by the channel and the refunds, which no other method sees."""
    chance = np.random.default_rng(seed)
    features = {name: chance.gamma(1.0, 10.0, N) for name in NUMBERS}
    features["gap_std_days"] = np.where(chance.random(N) < 0.5, np.nan, features["gap_std_days"])
    features["tenure_days"] = chance.integers(100, 400, N).astype(float)
    features["frequency"] = chance.poisson(2.0, N).astype(float)
    features["recency_days"] = np.where(features["frequency"] > 0, np.floor(features["tenure_days"] / 3),
                                        features["tenure_days"])  # fmt: skip
    again = features["frequency"] > 0
    features["repeat_monetary_value"] = np.where(again, chance.gamma(5.0, 4.0, N), np.nan)
    features |= {name: chance.choice(np.array(["web", "shop", None], dtype=object), N) for name in TEXTS}
    business = features["last_channel"] == "shop"
    spend = np.where(business, 40 + 5 * features["refunds"], 0.0) * (chance.random(N) < 0.8)
    return Learning(features, spend, f"world {seed}")


@pytest.fixture(scope="module")
def earlier() -> Learning:
    """Its fits are kept, as a training keeps them."""
    return world(1)


@pytest.fixture(scope="module")
def later() -> Learning:
    return world(2)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_learns_is_repeatable_and_comes_back_from_its_file(kind: str, earlier: Learning, later: Learning
                                                                      ) -> None:  # fmt: skip
    model = earlier.fit(kind)
    found = model.predict(later.features)
    assert (found >= 0).all()
    assert np.corrcoef(found, later.spend)[0, 1] > 0.6
    content = dumps(model)
    np.testing.assert_array_equal(loads(content).predict(later.features), found)
    assert dumps(fit_kind(kind, earlier)) == content


def test_what_was_never_seen_is_predicted_all_the_same(earlier: Learning) -> None:
    model = earlier.fit("forest")
    odd = {name: column[:3].copy() for name, column in earlier.features.items()}
    odd["last_channel"] = np.array(["phone", None, "web"], dtype=object)
    odd["refunds"] = np.array([np.nan, 1e9, 0.0])
    assert np.isfinite(model.predict(odd)).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("times", [10, 1e15])
def test_beyond_all_that_was_learned_is_its_end(kind: str, times: float, earlier: Learning) -> None:
    model = earlier.fit(kind)
    texts = {name: np.array(["shop", "web"], dtype=object) for name in TEXTS}
    ends = {name: np.array([np.nanmin(earlier.features[name]), np.nanmax(earlier.features[name])]) for name in NUMBERS}
    beyond = {name: np.array([low - times * (high - low), high * times]) for name, (low, high) in ends.items()}
    said = model.predict({**beyond, **texts})
    np.testing.assert_allclose(said, model.predict({**ends, **texts}), rtol=1e-9)
    assert said.max() > 0


def test_features_that_never_met_do_not_carry_the_polynomial_away() -> None:
    chance = np.random.default_rng(4)
    x, z = np.sort(chance.uniform(0, 10, (2, 4000)), axis=0)
    z = 10 - z  # evenly in the triangle x + z <= 10; at (10, 10), where nobody is, x z is 100
    features = {"x": x, "z": z, **{f"noise_{i}": chance.normal(0, 1, 4000) for i in range(5)}}
    model = SpendRegression("polynomial", tuple(features)).fit(features, x * z)
    corner = {name: np.full(1, 10.0 if name in "xz" else 0.0) for name in features}
    assert {"x", "z"} <= set(model.used_)
    # x z = 10/3 (x + z) - 100/9 + (x - 10/3) (z - 10/3), and of the last the triangle holds up to 100/9
    assert 25 < model.predict(corner)[0] < 200 / 3


def test_tiny_data_are_refused_with_the_reason(earlier: Learning) -> None:
    few = {name: column[:499] for name, column in earlier.features.items()}
    with pytest.raises(InsufficientDataError, match="499 customers, fewer than 500"):
        SpendRegression("ridge", NUMBERS, TEXTS).fit(few, earlier.spend[:499])
    with pytest.raises(InsufficientDataError, match="99 customers who spent something then, fewer than 100"):
        SpendRegression("ridge", NUMBERS, TEXTS).fit(earlier.features, (np.arange(N) < 99) * 5.0)
    with pytest.raises(ModelError, match="no regression lasso"):
        SpendRegression("lasso", NUMBERS, TEXTS).fit(earlier.features, earlier.spend)


def test_the_kind_is_the_one_with_the_lowest_error_on_the_later_period(earlier: Learning, later: Learning) -> None:
    found = _fit(later, earlier, 90)
    errors = {}
    for kind in KINDS:
        predicted = earlier.fit(kind).predict(later.features)
        errors[kind] = np.sqrt(((predicted - later.spend) ** 2).mean())
    assert found.parameters["kind"] == min(errors, key=lambda kind: errors[kind])
    assert found.metrics["forest.rmse"] == pytest.approx(errors["forest"])
    refitted = fit_kind(found.parameters["kind"], later).predict(earlier.features)
    np.testing.assert_array_equal(found.estimator.predict(earlier.features), refitted)


def test_a_year_takes_two_years_and_a_quarter_of_history() -> None:
    check_history(DAY - timedelta(days=819), DAY, 365)
    with pytest.raises(InsufficientDataError, match=r"a history of 819 days; to learn the spend of 365 days.* 820"):
        check_history(DAY - timedelta(days=818), DAY, 365)


def test_it_learns_what_was_known_at_the_cut_and_the_spend_after_it(tmp_path: Path) -> None:
    settings = lake.project(tmp_path / "project")
    history = lake.history(customers=900)
    lake.commit(settings, history)
    cut = date(2026, 3, 1)
    with Engine(settings) as engine:
        names = offered_features(engine, DAY)
        found = read_learning(engine, cut, 30, names)
        with pytest.raises(InsufficientDataError, match=r"\d+ customers 30 days before .* fewer than 500"):
            read_learning(engine, date(2026, 1, 20), 30, names)
        for few in (date(2026, 1, 20), date(2025, 12, 31)):  # the same words without reading features
            said = []
            for ask in (
                lambda few: read_learning(engine, few, 30, names),
                lambda few: check_customers(engine, few, 30),
            ):
                with pytest.raises(InsufficientDataError) as refused:
                    ask(few)
                said.append(str(refused.value))
            assert said[0] == said[1]
        check_customers(engine, cut, 30)
    assert set(names) == {name for name, kind in PURCHASE_TYPES.items() if kind != "date"}  # orders are all there is
    rows = history.to_pylist()
    customers = sorted({row["customer_key"] for row in rows if row["event_date"] <= cut})
    spent = dict.fromkeys(customers, 0.0)
    for row in rows:
        if cut < row["event_date"] <= cut + timedelta(days=30) and row["customer_key"] in spent:
            spent[row["customer_key"]] += float(row["amount"])
    assert found.spend == pytest.approx(list(spent.values()))
    assert found.spend.sum() > 1000
    assert len(found.features["recency_days"]) == len(customers)
    assert np.isnan(found.features["gap_mean_days"]).any()


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_says_to_use_is_what_predictions_depend_on(kind: str, earlier: Learning, later: Learning) -> None:
    model = earlier.fit(kind)
    told = model.importance()
    assert set(told) == set(model.used_) < set(KNOWN)
    assert sum(told.values()) == pytest.approx(1)
    assert {"last_channel", "refunds"} <= set(told)
    assert next(iter(told)) == "last_channel"
    before = model.predict(later.features)
    spoilt = {name: column if name in told else np.full(N, None if name in TEXTS else 1e9)
              for name, column in later.features.items()}  # fmt: skip
    np.testing.assert_array_equal(model.predict(spoilt), before)
    np.testing.assert_array_equal(model.predict({name: later.features[name] for name in told}), before)
    for name in list(told)[:2]:
        other = {**later.features, name: np.full(N, "web") if name in TEXTS else later.features[name] + 100}
        assert (model.predict(other) != before).any()


def test_the_days_of_which_it_reads() -> None:
    assert learning_days(date(2026, 1, 4), date(2025, 10, 6), 90) == [
        date(2024, 1, 5), date(2025, 1, 4), date(2025, 7, 8), date(2025, 10, 6),
    ]  # fmt: skip
    assert learning_days(date(2026, 1, 4), date(2025, 12, 5), 30)[-2:] == [date(2025, 11, 5), date(2025, 12, 5)]


@pytest.fixture(scope="module")
def holdout(earlier: Learning, later: Learning) -> Holdout:
    """A holdout in which the features tell more than purchases and spend so far."""
    columns = {name: later.features[name] for name in ("recency_days", "tenure_days", "frequency", "monetary_value",
                                                       "repeat_monetary_value")}  # fmt: skip
    nothing = np.zeros(N)
    known = Calibration(columns, 90, nothing, nothing, later.features, earlier)
    return Holdout(Split(DAY - timedelta(days=90), 90), known, (later.spend > 0) * 1.0, later.spend, "d")


def test_a_regression_that_is_better_speaks_through_the_one_of_a_year(holdout: Holdout, later: Learning) -> None:
    versions = {"mbgnbd": "m1", "pareto_nbd": "p1", "gamma_gamma": "g1", "regression_365d": "r1"}
    best = _best(holdout)
    found = back_test(holdout, ValueSettings(), versions, best)
    assert (found.champion.method, found.champion.versions["regression_365d"]) == (best, "r1")
    assert found.champion.orders not in KINDS
    assert found.champion.bands is not None
    model = later.fit(best)
    parts = {"regression_365d": ScoringModel("regression_365d", model, "r1")}
    champion = replace(found.champion, orders="rate_so_far", alive=None)
    speaking = ScoringModels(ScoringModel("value", champion, "v1"), parts=parts)
    assert model.used_ == more_columns(speaking)
    needed = {name: later.features[name] for name in {*model.used_, "recency_days", "tenure_days", "frequency",
                                                      "monetary_value", "repeat_monetary_value"}}  # fmt: skip
    assert len(needed) < len(later.features)
    said = forecast(speaking, needed, ValueSettings(discount_rate_annual=0.0))
    assert said is not None
    np.testing.assert_array_equal(said.value, model.predict(later.features))
    assert ((said.low <= said.high) & (said.low >= 0)).all()


def _best(holdout: Holdout) -> str:
    from ddcrm.training.methods import methods

    errors = {kind: ((methods(ValueSettings())[kind](holdout.known).spend - holdout.spend) ** 2).mean()
              for kind in KINDS}  # fmt: skip
    return min(errors, key=lambda kind: errors[kind])


def test_without_a_regression_of_a_year_none_may_speak(holdout: Holdout) -> None:
    versions = {"mbgnbd": "m1", "gamma_gamma": "g1"}
    found = back_test(holdout, ValueSettings(), versions)
    assert found.champion.method not in KINDS
    assert found.measured["forest"].spend is not None
    assert "no regression of 365 days" in found.decision.barred["forest"]
    short = ValueSettings(horizon_days=180)
    other = back_test(holdout, short, {**versions, "regression_365d": "r1"}, "forest").decision.barred["forest"]
    assert other == "regressions are of 365 days, the horizon is 180"


def test_where_nothing_is_to_be_learned_from_the_reason_is_told(holdout: Holdout) -> None:
    bare = replace(holdout, known=replace(holdout.known, learning=None, no_learning="12 customers"))
    found = back_test(bare, ValueSettings(), {"mbgnbd": "m1", "gamma_gamma": "g1"})
    assert {found.measured[kind].failed for kind in KINDS} == {"12 customers"}
