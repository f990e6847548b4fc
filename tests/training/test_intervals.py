"""Intervals of heuristics and regressions over a year: coverage on simulated shops, and what they are learned from."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from ddcrm.lake.engine import Engine
from ddcrm.models.champion import Bands
from ddcrm.settings import ValueSettings
from ddcrm.training.backtest import Holdout, Measured, Split, read_holdout
from ddcrm.training.intervals import Evidence, Longer, bands, interval_days, out_of_fold, with_longer
from ddcrm.training.methods import Calibration, heuristic
from ddcrm.training.regressions import Learning, fit_kind
from tests.scoring import lake

DAY = date(2026, 4, 8)
LIVELY = {"r": 0.85, "alpha": 6.0, "a": 0.7, "b": 3.0}  # the demo company
QUIET = {"r": 0.2426, "alpha": 4.414, "a": 0.793, "b": 2.426}  # CDNOW
YEAR, PERIOD = 365, 90


class Shop(NamedTuple):
    """When each customer came, and every purchase: who, on which day, for how much."""

    first: np.ndarray
    who: np.ndarray
    day: np.ndarray
    amount: np.ndarray

    def between(self, start: float, end: float, count: bool = False) -> np.ndarray:
        rows = (self.day > start) & (self.day <= end)
        return np.bincount(self.who[rows], None if count else self.amount[rows], len(self.first))

    def known(self, at: float) -> tuple[Calibration, np.ndarray]:
        """What is known at a day of those who had come, and who they are."""
        there = self.first <= at
        days, spend = self.between(-1, at, count=True), self.between(-1, at)
        columns = {"frequency": days - 1, "tenure_days": at - self.first, "monetary_value": spend / np.maximum(days, 1)}
        last = self.between(at - PERIOD, at, count=True), self.between(at - PERIOD, at)
        given = {name: column[there] for name, column in columns.items()}
        return Calibration(given, PERIOD, *(column[there] for column in last)), there


def shop(process: dict[str, float], n: int, seed: int, history: int) -> Shop:
    """BG/NBD's story with weekly rates, to a year after the history."""
    chance = np.random.default_rng(seed)
    first, rate = chance.uniform(0, history, n), chance.gamma(process["r"], 1 / process["alpha"], n) / 7
    leaves, price = chance.beta(process["a"], process["b"], n), chance.gamma(4.0, 1 / 28.0, n)
    there, clock = np.arange(n), first.copy()
    rows = [(there, first, chance.gamma(6.0, 1 / price))]
    while len(there):
        clock[there] += chance.exponential(1 / np.maximum(rate[there], 1e-9))
        there = there[clock[there] <= history + YEAR]
        rows.append((there, clock[there], chance.gamma(6.0, 1 / price[there])))
        there = there[chance.random(len(there)) >= leaves[there]]
    return Shop(first, *(np.concatenate(column) for column in zip(*rows, strict=True)))


@pytest.mark.parametrize("method", ["rate_so_far", "last_period"])
@pytest.mark.parametrize(("process", "history"), [(LIVELY, 730), (LIVELY, 550), (QUIET, 730), (QUIET, 550)])
def test_nine_in_ten_spend_within_a_year_what_they_say(process: dict[str, float], history: int, method: str) -> None:
    """Of all who are known at the end of the history, by what came of the same heuristic before."""
    made = shop(process, 20_000, 3, history)
    days = interval_days(DAY - timedelta(days=history - 1), DAY, PERIOD, ValueSettings())
    assert days == YEAR
    cut, then = made.known(history - PERIOD)
    holdout = Holdout(Split(DAY, PERIOD), cut, np.empty(0), made.between(history - PERIOD, history)[then], "h")
    before, earlier = made.known(history - YEAR)
    longer = Longer(before, made.between(history - YEAR, history)[earlier], days)
    measured = Measured(predicted=heuristic(method, cut, PERIOD).spend)
    found = bands(method, holdout, measured, Evidence(longer))
    assert found is not None
    assert found.days == YEAR
    now, there = made.known(history)
    low, high = found.of(heuristic(method, now, YEAR).spend, YEAR)
    came = made.between(history, history + YEAR)[there]
    assert 0.88 <= ((low <= came) & (came <= high)).mean() <= 0.925  # .902 to .924: shops change from year to year
    short = bands(method, holdout, measured, Evidence())  # what 90 days alone would have said, in proportion
    assert short is not None
    assert short.days == PERIOD
    low, high = short.of(heuristic(method, now, YEAR).spend, YEAR)
    assert abs(((low <= came) & (came <= high)).mean() - 0.9) > 0.025


def learning(made: Shop, at: int) -> Learning:
    """A few features of those who had come by a day, and what they spent in the year after it."""
    known, there = made.known(at)
    features = {**known.columns, "last_spend": known.last_spend}
    features["spend_365d"] = made.between(at - YEAR, at)[there]
    return Learning(features, made.between(at, at + YEAR)[there], "")


@pytest.mark.parametrize("process", [LIVELY, QUIET])
@pytest.mark.parametrize("kind", ["tree", "ridge"])
def test_nine_in_ten_spend_within_a_year_what_a_regression_says(process: dict[str, float], kind: str) -> None:
    """On a history that is just enough for it: 820 days."""
    made = shop(process, 20_000, 2, 820)
    newest, now = learning(made, 820 - YEAR), learning(made, 820)
    judged = learning(made, 820 - 2 * YEAR)
    said = fit_kind(kind, newest).predict(now.features)
    split = Split(DAY, YEAR)
    holdout = Holdout(split, made.known(820 - YEAR)[0], np.empty(0), newest.spend, "h")
    before = fit_kind(kind, judged).predict(newest.features)
    measured = Measured(predicted=before)
    found = bands(kind, holdout, measured, Evidence(year=lambda: newest))
    assert found is not None
    low, high = found.of(said, YEAR)
    assert ((low <= now.spend) & (now.spend <= high)).mean() == pytest.approx(0.9, abs=0.025)
    few = bands(kind, holdout, measured, Evidence(year=lambda: Learning({}, np.ones(40), "")))  # too few to learn from
    assert few is not None
    np.testing.assert_array_equal(few.high, Bands.learned(before, newest.spend, YEAR).high)
    assert (few.high[: len(found.high)] != found.high[: len(few.high)]).any()


def test_each_fifth_is_predicted_by_the_others() -> None:
    newest = learning(shop(LIVELY, 3_000, 5, 820), 820 - YEAR)
    said = out_of_fold("linear", newest)
    rows = np.arange(len(said)) % 5 == 3
    others = Learning({name: column[~rows] for name, column in newest.features.items()}, newest.spend[~rows], "")
    wanted = fit_kind("linear", others).predict({name: column[rows] for name, column in newest.features.items()})
    np.testing.assert_array_equal(said[rows], wanted)
    changed = replace(newest, spend=np.where(rows, 1e6, newest.spend))
    np.testing.assert_array_equal(out_of_fold("linear", changed)[rows], wanted)


def test_the_days_are_the_horizon_unless_the_history_before_would_be_too_short() -> None:
    first, year = date(2025, 1, 1), ValueSettings()
    assert interval_days(first, first + timedelta(days=2000), 90, year) == 365
    assert interval_days(first, first + timedelta(days=2000), 90, ValueSettings(horizon_days=30)) == 30
    assert interval_days(first, first + timedelta(days=299), 30, year) == 200  # two thirds
    assert interval_days(first, first + timedelta(days=299), 90, year) == 120  # two holdouts before
    assert interval_days(first, first + timedelta(days=98), 33, year) == 33


def test_they_are_learned_from_what_was_known_at_the_cut(tmp_path: Path) -> None:
    settings, history = lake.project(tmp_path / "project"), lake.history()
    lake.commit(settings, history)
    split, days = Split(DAY - timedelta(days=33), 33), 66
    with Engine(settings) as engine:
        plain = read_holdout(engine, DAY, split)
        holdout, longer = with_longer(engine, DAY, plain, days)
        assert with_longer(engine, DAY, plain, 33) == (plain, None)
        assert with_longer(engine, DAY, plain, 400) == (plain, None)
    assert longer is not None
    assert holdout.digest != plain.digest
    rows, cut = history.to_pandas(), DAY - timedelta(days=days)
    past, later = rows[rows.event_date <= cut], rows[(rows.event_date > cut) & (rows.event_date <= DAY)]
    ids = sorted(past.customer_key.unique())
    spend = later.assign(amount=later.amount.astype(float)).groupby("customer_key").amount.sum().reindex(ids).fillna(0)
    assert longer.spend == pytest.approx(spend.to_numpy())
    window = past[past.event_date > cut - timedelta(days=33)]
    last = window.groupby("customer_key").event_date.nunique().reindex(ids).fillna(0)
    assert longer.known.last_purchases == pytest.approx(last.to_numpy())
    assert (longer.days, longer.known.days) == (66, 33)
