"""The shape of what is published: what fits is cast, what does not is named."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest

from ddcrm.errors import PublishError
from ddcrm.warehouse.shape import shaped
from ddcrm.warehouse.tables import arrow_schema, customer_scores, segment_migration
from tests.warehouse.days import DAY, NEXT, make_day

SCORES = make_day(customers=4)["customer_scores"]


def _with(name: str, values: list, kind: pa.DataType | None = None) -> pa.Table:
    return SCORES.set_column(SCORES.schema.get_field_index(name), name, pa.array(values, kind))


def test_columns_come_in_the_tables_order_and_types() -> None:
    table = shaped(SCORES.select(sorted(SCORES.column_names)), customer_scores, DAY)
    assert table.schema == arrow_schema(customer_scores)
    assert table.to_pylist() == SCORES.to_pylist()


def test_types_that_hold_the_same_values_are_cast() -> None:
    for column, values, kind in [
        ("recency_days", [1, 2, 3, None], pa.int64()),
        ("r", [1, 2, 3, 4], pa.int8()),
        ("p_alive", [0, 1, 0, 1], pa.int32()),
        ("monetary_value", [Decimal(1), Decimal(2), None, Decimal(-4)], pa.decimal128(30, 1)),
        ("monetary_value", [1, 2, 3, 4], pa.int64()),
        ("withheld", ["a", "b", "a", None], pa.dictionary(pa.int8(), pa.string())),
        ("customer_id", ["a", "b", "c", "d"], pa.large_string()),
    ]:
        table = shaped(_with(column, values, kind), customer_scores, DAY)
        assert table.schema == arrow_schema(customer_scores)
        assert table[column].to_pylist() == values


def test_a_stream_is_read() -> None:
    assert shaped(SCORES.to_reader(), customer_scores, DAY).to_pylist() == SCORES.to_pylist()


def test_an_empty_table_is_a_table() -> None:
    assert shaped(SCORES.slice(0, 0), customer_scores, DAY).num_rows == 0


def test_missing_and_extra_columns_are_named() -> None:
    table = SCORES.drop_columns(["rfm", "clv_365d"]).append_column("surplus", SCORES["r"])
    with pytest.raises(PublishError) as caught:
        shaped(table, customer_scores, DAY)
    assert (caught.value.missing, caught.value.extra) == ("rfm, clv_365d", "surplus")
    assert "rfm, clv_365d" in str(caught.value)
    with pytest.raises(PublishError, match="twice r"):
        shaped(SCORES.append_column("r", SCORES["r"]), customer_scores, DAY)


@pytest.mark.parametrize(
    ("column", "values", "kind"),
    [
        ("recency_days", [1, 2, 3, 2**31], pa.int64()),
        ("r", [1, 2, 3, 2**15], pa.int32()),
        ("recency_days", ["1", "2", "x", "4"], pa.string()),
        ("frequency", [1.0, 2.5, 3.0, 4.0], pa.float64()),
        ("monetary_value", [Decimal("1.234")] * 4, pa.decimal128(18, 3)),
        ("monetary_value", [Decimal(10) ** 16] * 4, pa.decimal128(30, 2)),
        ("monetary_value", [1.5, 2.5, 3.5, 4.5], pa.float64()),
        ("p_alive", [[1], [2], [3], [4]], None),
    ],
)
def test_values_that_do_not_fit_are_refused(column: str, values: list, kind: pa.DataType | None) -> None:
    with pytest.raises(PublishError) as caught:
        shaped(_with(column, values, kind), customer_scores, DAY)
    assert (caught.value.column, caught.value.table) == (column, "customer_scores")


def test_a_required_value_that_is_missing_is_refused() -> None:
    with pytest.raises(PublishError, match="1 rows lack a value") as caught:
        shaped(_with("customer_id", ["a", None, "c", "d"]), customer_scores, DAY)
    assert caught.value.column == "customer_id"
    migration = make_day()["segment_migration"].set_column(4, "customers", pa.array([None], pa.int32()))
    with pytest.raises(PublishError, match="customers"):
        shaped(migration, segment_migration, DAY)


def test_rows_of_another_day_are_refused() -> None:
    with pytest.raises(PublishError, match=r"rows of another day.*days 2026-03-06"):
        shaped(_with("as_of", [DAY, DAY, NEXT, DAY]), customer_scores, DAY)
    with pytest.raises(PublishError, match="another day"):
        shaped(SCORES, customer_scores, NEXT)
