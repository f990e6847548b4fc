"""A table in a file: the same digest as in memory, and the same refusals, part by part."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ddcrm.errors import PublishError
from ddcrm.warehouse.digest import digest_table
from ddcrm.warehouse.stored import StoredTable
from ddcrm.warehouse.tables import arrow_schema, key_of, metadata

DAY = date(2026, 3, 5)
TABLE = metadata.tables["crm.customer_segments"]


def rows(*changed: tuple[int, dict[str, object]]) -> pa.Table:
    """Twenty rows of two schemes in the order of the key, some of them changed."""
    found = [{"as_of": DAY, "scheme": scheme, "customer_id": f"C{n:02}", "segment": f"s{n % 3}"}
             for scheme in ("kmeans", "rfm") for n in range(10)]  # fmt: skip
    for place, values in changed:
        found[place] |= values
    fields = [field.with_nullable(True) for field in arrow_schema(TABLE)]
    return pa.Table.from_pylist(found, schema=pa.schema(fields))


def stored(folder: Path, table: pa.Table) -> StoredTable:
    pq.write_table(table, folder / "t.parquet", row_group_size=3)
    return StoredTable(folder / "t.parquet")


def test_the_digest_is_that_of_the_table_in_memory(tmp_path: Path) -> None:
    found = stored(tmp_path, rows())
    assert found.fits(TABLE)
    assert found.num_rows == 20
    assert found.digest(TABLE, DAY) == digest_table(rows(), key_of(TABLE))
    assert found.reader().read_all().equals(rows())
    assert found.digest(TABLE, DAY) != stored(tmp_path, rows((4, {"segment": "other"}))).digest(TABLE, DAY)


@pytest.mark.parametrize(
    ("place", "values", "message"),
    [
        (3, {"customer_id": "C02"}, "not unique by"),  # across two parts
        (4, {"customer_id": "C00"}, "not in its order"),
        (7, {"customer_id": None}, "required"),
        (19, {"as_of": date(2026, 3, 6)}, "another day"),
    ],
)
def test_what_can_t_be_published_is_refused(
    tmp_path: Path, place: int, values: dict[str, object], message: str
) -> None:
    with pytest.raises(PublishError, match=message):
        stored(tmp_path, rows((place, values))).digest(TABLE, DAY)


def test_a_table_with_other_columns_does_not_fit(tmp_path: Path) -> None:
    assert not stored(tmp_path, rows().drop_columns("segment")).fits(TABLE)
    assert not stored(tmp_path, rows().rename_columns(["as_of", "scheme", "customer_id", "other"])).fits(TABLE)
