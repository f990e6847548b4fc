"""Where dirt is planted: one bad row a day, and the newest days among them, so that a demo has some to show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain, zip_longest

import numpy as np
import pandas as pd

from ddcrm.demo.parameters import Company

RECENT_DAYS = 7


def plan(
    company: Company, batch: pd.Series[int], counts: Mapping[str, int], least: int, rng: np.random.Generator
) -> list[tuple[str, int]]:
    """(kind, day) for rows that are to be quarantined: never two on one day, and only on days of at least `least` rows.

    `batch` is the day of arrival of every good row. Kinds take turns, and one row of each kind is put among the newest
    days, as far as there are such days. Where there are too few days in all, the last ones of the plan are left out.
    """
    size = batch.value_counts().sort_index()
    eligible = size.index[size >= least].to_numpy()
    recent = rng.permutation(eligible[eligible >= company.days - RECENT_DAYS])[: sum(map(bool, counts.values()))]
    others = rng.permutation(np.setdiff1d(eligible, recent))
    return [(kind, int(day)) for kind, day in zip(_in_turns(counts), [*recent, *others], strict=False)]


def _in_turns(counts: Mapping[str, int]) -> Iterable[str]:
    rounds = zip_longest(*([kind] * count for kind, count in counts.items()))
    return (kind for kind in chain.from_iterable(rounds) if kind is not None)


def recent_first(company: Company, days: pd.Series[int], wanted: int, rng: np.random.Generator) -> list[int]:
    """Up to `wanted` different days out of `days`, one of the newest week first where there is one."""
    known = np.sort(days.unique())
    recent = known[known >= company.days - RECENT_DAYS]
    first = rng.permutation(recent)[:1]
    rest = rng.permutation(np.setdiff1d(known, first))
    return [int(day) for day in np.concatenate([first, rest])[:wanted]]
