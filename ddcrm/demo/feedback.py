"""Reviews and survey answers: a rating, and a text that agrees with it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ddcrm.demo import words
from ddcrm.demo.clock import moments, shop_seconds
from ddcrm.demo.dirt import plan, recent_first
from ddcrm.demo.parameters import TIMEZONE, Company

_REVIEW_SHARE = 0.2  # of orders
_LEAST = 3  # reviews on a day among which a bad one may hide


def feedback(company: Company, lines: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    """One row a review, as text, by time.

    Columns: review_id, customer, created, product, stars, comment, lang, type, batch, note.
    """
    rng = company.rng("feedback")
    bought = lines[(lines["customer"] >= 0) & (lines["status"] == "completed")].drop_duplicates("order_id")
    bought = bought[rng.random(len(bought)) < _REVIEW_SHARE]
    day = bought["day"].to_numpy() + rng.integers(3, 21, len(bought))
    bought, day = bought[day < company.days], day[day < company.days]
    n = len(bought)
    stars = rng.choice([1, 2, 3, 4, 5], n, p=[0.07, 0.08, 0.15, 0.32, 0.38])
    language = rng.choice(["de", "en"], n, p=[0.75, 0.25])
    at = moments(company, day, shop_seconds(rng, n))
    frame = pd.DataFrame({
        "customer": bought["customer_key"].to_numpy(),
        "created": [moment.isoformat() for moment in at.dt.tz_localize(TIMEZONE)],
        "product": products["product_id"].to_numpy()[bought["product"]], "stars": stars.astype(str),
        "comment": [_comment(rng, lang, int(star)) for lang, star in zip(language, stars, strict=True)],
        "lang": language, "type": rng.choice(["review", "survey"], n, p=[0.8, 0.2]), "batch": day, "note": "", "at": at,
    }).sort_values(["at", "customer"], ignore_index=True)  # fmt: skip
    frame.insert(0, "review_id", [f"F{number:06d}" for number in range(1, n + 1)])
    return _spoilt(company, frame.drop(columns="at"))


def _comment(rng: np.random.Generator, language: str, stars: int) -> str:
    opening, details = words.REVIEW_OPENINGS[language][stars], words.REVIEW_DETAILS[language][int(np.sign(stars - 3))]
    first, second, form = rng.random(3)
    parts = [opening[int(first * len(opening))], details[int(second * len(details))]]
    return ("\n" if form < 0.04 else " ").join(parts) if form < 0.8 else parts[0]


def _spoilt(company: Company, frame: pd.DataFrame) -> pd.DataFrame:
    """Some reviews have no stars at all, some stand twice in their file."""
    rng, counts = company.rng("spoilt feedback"), company.dirt
    least = min(_LEAST, counts.min_rows)
    planned = plan(company, frame["batch"], {"bad_ratings": counts.bad_ratings}, least, rng)
    bad = frame.iloc[frame["batch"].searchsorted([day for _, day in planned])].copy()
    bad["review_id"] = [f"F{len(frame) + number:06d}" for number in range(1, len(bad) + 1)]
    days = recent_first(company, frame["batch"], counts.duplicate_reviews, rng)
    twice = frame.iloc[frame["batch"].searchsorted(days)]
    parts = [frame, bad.assign(stars="0", note="bad_ratings"), twice.assign(note="duplicate")]
    return pd.concat(parts).sort_values(["batch", "review_id"], kind="stable", ignore_index=True)
