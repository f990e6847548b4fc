"""customer_scores: what is known and expected of each customer, from the features and the models of an as_of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ddcrm.features.columns import texts_as_objects
from ddcrm.features.periods import LAST_PERIOD
from ddcrm.models.rfm import RfmScores, rfm_code, rfm_scores
from ddcrm.scoring.forecast import Forecast, forecast, more_columns, period_again
from ddcrm.scoring.models import ScoringModels
from ddcrm.scoring.money import Cents, cents_of, decimals_of, divided, rounded_cents
from ddcrm.scoring.tiers import TIERS, value_tiers
from ddcrm.settings import ValueSettings

if TYPE_CHECKING:
    import pyarrow as pa

    from ddcrm.scoring.schemes.loyalty import Loyalty

SCORING_COLUMNS = (
    "customer_id", "recency_days", "tenure_days", "frequency", "purchase_days", "spend", "monetary_value",
    "repeat_monetary_value",
)  # fmt: skip
"""The features that every scoring needs."""


@dataclass(frozen=True)
class Scored:
    """The scores of all customers at an as_of as arrays, (n,) each in the order of customer_id; None where withheld.

    features: what they were computed from, in the same order.
    """

    features: pa.Table
    customer_id: pa.Array
    columns: dict[str, NDArray[Any]]
    spend: Cents
    monetary: Cents
    rfm: RfmScores
    forecast: Forecast | None
    clv: Cents | None
    tier: NDArray[np.int8] | None

    def part(self, rows: slice) -> Scored:
        """The scores of some of the customers; nothing is copied."""
        seen = None if self.forecast is None else self.forecast.part(rows)
        clv = None if self.clv is None else self.clv[rows]
        tier = None if self.tier is None else self.tier[rows]
        columns = {name: column[rows] for name, column in self.columns.items()}
        ids, rfm = self.customer_id[rows], RfmScores(*(score[rows] for score in self.rfm))
        return replace(self, customer_id=ids, columns=columns, spend=self.spend[rows], monetary=self.monetary[rows],
                       rfm=rfm, forecast=seen, clv=clv, tier=tier)  # fmt: skip


def scoring_columns(models: ScoringModels) -> tuple[str, ...]:
    """The features that scoring with these models needs."""
    return (*SCORING_COLUMNS, *more_columns(models))


def scored(features: pa.Table, models: ScoringModels, value: ValueSettings) -> Scored:
    """Score the customers; features: `read_features`' columns, a row a customer, in any order of rows."""
    features = _sorted(features)
    money = () if "spend" in more_columns(models) else ("spend",)
    last = LAST_PERIOD if period_again(models) else ()
    names = [name for name in dict.fromkeys((*scoring_columns(models), *last)) if name not in ("customer_id", *money)]
    columns = {name: _numbers(features[name]) for name in names}
    spend = cents_of(features["spend"])
    monetary = np.maximum(divided(spend, columns["purchase_days"]), 0)
    seen = forecast(models, columns, value)
    clv = None if seen is None else rounded_cents(seen.value, "clv_365d")
    rfm = rfm_scores(columns["recency_days"], columns["frequency"], monetary)
    tier = None if clv is None else value_tiers(clv)
    customer_id = features["customer_id"].combine_chunks()
    return Scored(features, customer_id, columns, spend, monetary, rfm, seen, clv, tier)


def score_parts(
    scores: Scored, as_of: date, models: ScoringModels, loyalty: Loyalty | None, rows: int
) -> Iterator[pa.Table]:
    """`customer_scores` in parts of so many rows: texts of all customers would take most of the memory of a day."""
    for start in range(0, len(scores.customer_id), rows):
        part = slice(start, start + rows)
        yield customer_scores(scores.part(part), as_of, models, loyalty and loyalty.part(part))


def customer_scores(scores: Scored, as_of: date, models: ScoringModels, loyalty: Loyalty | None = None) -> pa.Table:
    """The published table, with the columns and types of `schema`, in the order of customer_id."""
    import pyarrow as pa

    n, seen, champion = len(scores.customer_id), scores.forecast, models.value.estimator
    columns = {
        "as_of": _repeated(as_of, pa.date32(), n),
        "customer_id": scores.customer_id,
        **{name: pa.array(scores.columns[name], pa.int32()) for name in ("recency_days", "frequency", "tenure_days")},
        "monetary_value": decimals_of(scores.monetary),
        **{name: pa.array(score.astype(np.int16)) for name, score in scores.rfm._asdict().items()},
        "rfm": texts_of(rfm_positions(scores.rfm), RFM_CODES),
        "p_alive": _floats(None if seen is None else seen.p_alive, n),
        "expected_orders_90d": _floats(None if seen is None else seen.purchases[90], n),
        "expected_orders_365d": _floats(None if seen is None else seen.purchases[365], n),
        "clv_365d": pa.nulls(n, pa.decimal128(18, 2)) if scores.clv is None else decimals_of(scores.clv),
        "value_tier": pa.nulls(n, pa.string()) if scores.tier is None else texts_of(scores.tier, TIER_NAMES),
        "withheld": _repeated(models.withheld, pa.string(), n),
        **_loyalty(loyalty, n),
        "value_method": _repeated(champion and champion.method, pa.string(), n),
        "orders_method": _repeated(champion and champion.orders, pa.string(), n),
        "alive_model": _repeated(champion and champion.alive, pa.string(), n),
        "value_version": _repeated(models.value.version, pa.string(), n),
        "clv_365d_low": _money(None if seen is None else seen.low, "clv_365d_low", n),
        "clv_365d_high": _money(None if seen is None else seen.high, "clv_365d_high", n),
    }
    return pa.table(columns, schema=schema())


def schema() -> pa.Schema:
    """Columns and types of customer_scores."""
    import pyarrow as pa

    money, text = pa.decimal128(18, 2), pa.string()
    return pa.schema([
        pa.field("as_of", pa.date32(), False), pa.field("customer_id", text, False), ("recency_days", pa.int32()),
        ("frequency", pa.int32()), ("tenure_days", pa.int32()), ("monetary_value", money), ("r", pa.int16()),
        ("f", pa.int16()), ("m", pa.int16()), ("rfm", text), ("p_alive", pa.float64()),
        ("expected_orders_90d", pa.float64()), ("expected_orders_365d", pa.float64()), ("clv_365d", money),
        ("value_tier", text), ("withheld", text),
        ("loyalty_score", pa.float64()),
        *((f"loyalty_{name}", pa.int16()) for name in LOYALTY),
        ("value_method", text), ("orders_method", text), ("alive_model", text), ("value_version", text),
        ("clv_365d_low", money), ("clv_365d_high", money),
    ])  # fmt: skip


LOYALTY = ("often", "much", "kinds", "regular")
TIER_NAMES = tuple(name for name, _ in TIERS)
ALL_SCORES = np.array([(r, f, m) for r in range(1, 6) for f in range(1, 6) for m in range(1, 6)], dtype=np.int8)
RFM_CODES = tuple(rfm_code(*ALL_SCORES.T).tolist())


def rfm_positions(rfm: RfmScores) -> NDArray[np.int16]:
    """Where the code of each customer stands in RFM_CODES, shape (n,)."""
    r, f, m = (score.astype(np.int16) - 1 for score in rfm)
    return 25 * r + 5 * f + m


def texts_of(codes: NDArray[Any], names: tuple[str, ...]) -> pa.Array:
    """A column of texts from positions in `names`."""
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(names, pa.string())).cast(pa.string())


def _numbers(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column as an array; money, where a method needs it beside spend, as floats."""
    import pyarrow as pa

    if pa.types.is_string(column.type):
        return texts_as_objects(column)
    return np.asarray((column.cast(pa.float64()) if pa.types.is_decimal(column.type) else column).to_numpy())


def _sorted(features: pa.Table) -> pa.Table:
    """The features in the order of customer_id, as they usually come."""
    import pyarrow.compute as pc

    ids = features["customer_id"]
    if bool(pc.all(pc.less(ids[:-1], ids[1:]), min_count=0).as_py()):
        return features
    return features.sort_by("customer_id")


def _loyalty(loyalty: Loyalty | None, n: int) -> dict[str, pa.Array]:
    import pyarrow as pa

    parts = loyalty.components if loyalty else dict.fromkeys(LOYALTY)
    columns = {name: pa.nulls(n, pa.int16()) if parts[name] is None else pa.array(parts[name]) for name in LOYALTY}
    score = _floats(loyalty.score if loyalty else None, n)
    return {"loyalty_score": score, **{f"loyalty_{name}": column for name, column in columns.items()}}


def _repeated(value: Any, kind: Any, n: int) -> pa.Array:
    import pyarrow as pa

    return pa.nulls(n, kind) if value is None else pa.repeat(pa.scalar(value, kind), n)


def _money(amounts: NDArray[np.float64] | None, name: str, n: int) -> pa.Array:
    import pyarrow as pa

    return pa.nulls(n, pa.decimal128(18, 2)) if amounts is None else decimals_of(rounded_cents(amounts, name))


def _floats(values: NDArray[np.float64] | None, n: int) -> pa.Array:
    import pyarrow as pa

    return pa.nulls(n, pa.float64()) if values is None else pa.array(values)
