"""Publishing a day: whole, checked, replaced at once, the same digest for the same content."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import text

from ddcrm.errors import BatchRejectedError, PublishError, WarehouseError
from ddcrm.progress import listening
from ddcrm.warehouse import staging
from ddcrm.warehouse.connect import Warehouse
from ddcrm.warehouse.digest import digest_published, digest_table, read_published
from ddcrm.warehouse.publish import publish_day
from ddcrm.warehouse.tables import PUBLISHED, key_of, metadata
from tests.warehouse.days import DAY, NEXT, make_day, no_audit


def query(warehouse: Warehouse, statement: str) -> list[tuple]:
    with warehouse.begin() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def staged(warehouse: Warehouse) -> list[str]:
    return [name for (name,) in query(warehouse, "SELECT relname FROM pg_class WHERE relkind = 'r' "
                                      "AND relnamespace = 'crm_staging'::regnamespace")]  # fmt: skip


def test_what_is_published_is_what_is_read(warehouse: Warehouse) -> None:
    tables = make_day()
    published = publish_day(warehouse, DAY, tables, audit=no_audit)
    assert {each.table: each.rows for each in published} == {name: table.num_rows for name, table in tables.items()}
    for name, table in tables.items():
        key = key_of(metadata.tables[f"crm.{name}"])
        rows = sorted(read_published(warehouse, name, DAY).to_pylist(), key=lambda row: [row[column] for column in key])
        assert rows == sorted(table.to_pylist(), key=lambda row: [row[column] for column in key])
    assert staged(warehouse) == []


def test_values_arrive_exactly(warehouse: Warehouse) -> None:
    """By plain SQL, with the edges of each type."""
    tables = make_day(customers=3)
    scores = tables["customer_scores"]
    edges = {
        "customer_id": pa.array(["ä'\"\\,\n\t", "", "Ω" * 300]),
        "recency_days": pa.array([2**31 - 1, -(2**31), None], pa.int32()),
        "r": pa.array([2**15 - 1, -(2**15), None], pa.int16()),
        "p_alive": pa.array([5e-324, float("nan"), float("-inf")]),
        "clv_365d": pa.array([Decimal("9999999999999999.99"), Decimal("-0.01"), None], pa.decimal128(18, 2)),
    }
    for name, values in edges.items():
        scores = scores.set_column(scores.schema.get_field_index(name), name, values)
    published = publish_day(warehouse, DAY, tables | {"customer_scores": scores}, audit=no_audit)
    columns = "customer_id, recency_days, r, p_alive::text, clv_365d"
    rows = query(warehouse, f"SELECT {columns} FROM crm.customer_scores ORDER BY customer_id")
    assert rows == [
        ("", -(2**31), -(2**15), "NaN", Decimal("-0.01")),
        ("ä'\"\\,\n\t", 2**31 - 1, 2**15 - 1, "5e-324", Decimal("9999999999999999.99")),
        ("Ω" * 300, None, None, "-Infinity", None),
    ]
    assert digest_published(warehouse, "customer_scores", DAY) == published[0].digest


def test_the_digest_read_back_is_the_digest_published(warehouse: Warehouse) -> None:
    tables = make_day(customers=100)
    for each in publish_day(warehouse, DAY, tables, audit=no_audit):
        assert digest_published(warehouse, each.table, DAY) == each.digest
        assert each.digest == digest_table(tables[each.table], key_of(metadata.tables[f"crm.{each.table}"]))
    recorded = query(warehouse, "SELECT digest FROM ops.publications WHERE table_name = 'customer_scores'")
    with warehouse.begin() as connection:
        connection.execute(text("UPDATE crm.customer_scores SET withheld = 'z' WHERE customer_id = 'C0042'"))
    assert recorded[0][0] != digest_published(warehouse, "customer_scores", DAY)


def test_publishing_again_replaces_the_day_and_no_other(warehouse: Warehouse) -> None:
    publish_day(warehouse, NEXT, make_day(NEXT, marker="next"), audit=no_audit)
    publish_day(warehouse, DAY, make_day(customers=30, marker="old"), audit=no_audit)
    publish_day(warehouse, DAY, make_day(customers=10, marker="new"), audit=no_audit)
    rows = query(warehouse, "SELECT as_of, withheld, count(*) FROM crm.customer_scores GROUP BY 1, 2 ORDER BY 1")
    assert rows == [(DAY, "new", 10), (NEXT, "next", 20)]
    partitions = query(warehouse, "SELECT relname FROM pg_class WHERE relkind = 'r' "
                       "AND relnamespace = 'crm_days'::regnamespace ORDER BY 1")  # fmt: skip
    assert len(partitions) == 2 * len(PUBLISHED)
    assert ("customer_scores_20260305",) in partitions


def test_the_same_day_gives_the_same_digests(warehouse: Warehouse) -> None:
    first = publish_day(warehouse, DAY, make_day(), audit=no_audit)
    shuffled = {name: table.take(list(reversed(range(table.num_rows)))) for name, table in make_day().items()}
    assert publish_day(warehouse, DAY, shuffled, audit=no_audit) == first
    other = publish_day(warehouse, DAY, make_day(marker="b"), audit=no_audit)
    assert all(new.digest != old.digest for new, old in zip(other, first, strict=True))


def test_streams_can_be_published(warehouse: Warehouse) -> None:
    readers = {name: table.to_reader(max_chunksize=7) for name, table in make_day().items()}
    assert publish_day(warehouse, DAY, readers, audit=no_audit) == publish_day(
        warehouse, DAY, make_day(), audit=no_audit
    )


def test_the_ledger_says_by_whom_and_with_what(warehouse: Warehouse) -> None:
    publish_day(warehouse, DAY, make_day(), audit=no_audit, run_id="r1", models={"bgnbd": "v7"}, fingerprint="f00")
    rows = query(
        warehouse, "SELECT as_of, table_name, rows, run_id, models, fingerprint FROM ops.publications ORDER BY 2"
    )
    assert rows[1] == (DAY, "customer_scores", 20, "r1", {"bgnbd": "v7"}, "f00")
    assert len(rows) == len(PUBLISHED)


def test_the_audit_sees_the_whole_standing_table(warehouse: Warehouse) -> None:
    seen: dict[str, tuple] = {}

    def audit(schema: str, table: str, published_name: str) -> None:
        assert query(warehouse, f"SELECT count(*) FROM crm.{published_name}") == [(0,)]
        rows = query(warehouse, f'SELECT count(*), min(as_of), max(as_of) FROM {schema}."{table}"')
        key = query(warehouse, f"SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'p' "
                    f"AND conrelid = '{schema}.{table}'::regclass")  # fmt: skip
        analysed = query(warehouse, f"SELECT count(*) > 0 FROM pg_stats WHERE tablename = '{table}'")
        seen[published_name] = (rows[0], key[0][0], analysed[0][0])

    tables = make_day()
    publish_day(warehouse, DAY, tables, audit=audit)
    for name, table in tables.items():
        key = ", ".join(key_of(metadata.tables[f"crm.{name}"]))
        assert seen[name] == ((table.num_rows, DAY, DAY), f"PRIMARY KEY ({key})", True)


def test_an_audit_that_stops_leaves_the_old_day(warehouse: Warehouse) -> None:
    old = publish_day(warehouse, DAY, make_day(marker="old"), audit=no_audit)
    mine = BatchRejectedError("too many without a segment", table="customer_segments")

    def audit(schema: str, table: str, published_name: str) -> None:
        if published_name == "segment_migration":  # the last of them
            raise mine

    with pytest.raises(BatchRejectedError) as caught:
        publish_day(warehouse, DAY, make_day(marker="new"), audit=audit)
    assert caught.value is mine
    assert [digest_published(warehouse, each.table, DAY) for each in old] == [each.digest for each in old]
    assert staged(warehouse) == []


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("customer_scores", lambda table: table.drop_columns(["rfm"]), "missing rfm"),
        ("segment_profiles", lambda table: table.append_column("more", table["share"]), "extra more"),
        (
            "customer_segments",
            lambda table: pa.concat_tables([table, table.slice(3, 1)]),
            "not unique by as_of, scheme",
        ),
        ("customer_scores", lambda table: make_day(NEXT)["customer_scores"], "rows of another day"),
        ("customer_scores", lambda t: t.set_column(1, "customer_id", pa.array(["a\0"] * 20)), "unique"),
    ],
)
def test_tables_that_are_wrong_leave_the_old_day(warehouse: Warehouse, name: str, change: Any, says: str) -> None:
    old = publish_day(warehouse, DAY, make_day(marker="old"), audit=no_audit)
    tables = make_day(marker="new")
    with pytest.raises(PublishError, match=says):
        publish_day(warehouse, DAY, tables | {name: change(tables[name])}, audit=no_audit)
    assert [digest_published(warehouse, each.table, DAY) for each in old] == [each.digest for each in old]
    assert staged(warehouse) == []


def test_a_nul_byte_is_refused_by_name_of_the_table(warehouse: Warehouse) -> None:
    tables = make_day(customers=1)
    tables["customer_scores"] = tables["customer_scores"].set_column(1, "customer_id", pa.array(["secret\0id"]))
    with pytest.raises(PublishError, match="invalid byte sequence") as caught:
        publish_day(warehouse, DAY, tables, audit=no_audit)
    assert caught.value.table == "customer_scores"
    assert "secret" not in str(caught.value)


def test_the_table_itself_refuses_rows_of_another_day(warehouse: Warehouse) -> None:
    """The CHECK on the loaded table, without which a swap would have to read it."""
    rows = make_day(NEXT)["customer_scores"]
    with pytest.raises(PublishError, match="violates check constraint") as caught:
        _load_as(warehouse, rows, DAY)
    assert caught.value.as_of == DAY
    assert staged(warehouse) == []


def _load_as(warehouse: Warehouse, rows: pa.Table, as_of: date) -> None:
    with warehouse.adbc(PublishError, as_of=as_of) as connection:
        staging.load(connection, metadata.tables["crm.customer_scores"], rows, as_of, "0123abcd")


def test_the_swap_reads_no_rows(warehouse: Warehouse) -> None:
    """PostgreSQL says that the CHECK implies the partition's bound, and builds no index."""
    notices: list[str] = []

    def audit(schema: str, table: str, published_name: str) -> None:
        with warehouse.session() as session, session.transaction(force_rollback=True):
            session.add_notice_handler(lambda notice: notices.append(notice.message_primary))
            session.execute("SET LOCAL client_min_messages = 'debug1'")
            session.execute(
                f"ALTER TABLE crm.{published_name} ATTACH PARTITION {schema}.\"{table}\" FOR VALUES IN ('{DAY}')"
            )

    publish_day(warehouse, DAY, make_day(), audit=audit)
    assert sum(bool(re.search("implied by existing constraints", notice)) for notice in notices) == len(PUBLISHED)
    assert not [notice for notice in notices if "building index" in notice or "verifying table" in notice]


def test_all_tables_or_none(warehouse: Warehouse) -> None:
    tables = make_day()
    with pytest.raises(PublishError, match="missing customer_segments, segment_migration"):
        publish_day(
            warehouse, DAY, {name: tables[name] for name in ("customer_scores", "segment_profiles")}, audit=no_audit
        )
    with pytest.raises(PublishError, match="unknown topics"):
        publish_day(warehouse, DAY, tables | {"topics": tables["segment_profiles"]}, audit=no_audit)


def test_empty_tables_are_published(warehouse: Warehouse) -> None:
    publish_day(warehouse, DAY, make_day(marker="old"), audit=no_audit)
    empty = {name: table.slice(0, 0) for name, table in make_day().items()}
    for each in publish_day(warehouse, DAY, empty, audit=no_audit):
        assert (each.rows, digest_published(warehouse, each.table, DAY)) == (0, each.digest)


def test_a_warehouse_without_tables_says_what_to_run(postgres_url: str) -> None:
    with Warehouse(postgres_url) as bare, pytest.raises(WarehouseError, match="`ddcrm warehouse upgrade`"):
        publish_day(bare, DAY, make_day(), audit=no_audit)


def test_progress_tells_counts(warehouse: Warehouse) -> None:
    points: list[tuple[str, dict]] = []
    with listening(lambda name, facts: points.append((name, facts))):
        publish_day(warehouse, DAY, make_day(), audit=no_audit)
    names = [name for name, _ in points]
    each = ["publish.load", "publish.loaded"] * len(PUBLISHED)
    assert names == ["publish.begin", *each, "publish.audited", "publish.swapped", "publish.committed", "publish.end"]
    assert points[1] == ("publish.load", {"table": "customer_scores", "rows": 20})


def test_nobody_else_may_read_what_is_being_loaded(warehouse: Warehouse) -> None:
    grants = query(warehouse, "SELECT nspname FROM pg_namespace WHERE nspname IN ('crm_staging', 'crm_days') "
                   "AND EXISTS (SELECT FROM aclexplode(nspacl) WHERE grantee <> nspowner)")  # fmt: skip
    assert grants == []


def test_readers_need_a_grant_on_crm_only(warehouse: Warehouse) -> None:
    publish_day(warehouse, DAY, make_day(), audit=no_audit)
    role = f"reader_{warehouse.engine.url.database}"
    with warehouse.begin() as connection:
        connection.execute(text(f"CREATE ROLE {role} LOGIN"))
        connection.execute(text(f"GRANT USAGE ON SCHEMA crm TO {role}"))
        connection.execute(text(f"GRANT SELECT ON ALL TABLES IN SCHEMA crm TO {role}"))
    try:
        with Warehouse(warehouse.url.replace("postgres@", f"{role}@")) as reader:
            publish_day(warehouse, DAY, make_day(customers=7), audit=no_audit)
            assert query(reader, "SELECT count(*) FROM crm.current_customer_scores") == [(7,)]
            assert query(reader, "SELECT count(*) FROM crm.customer_scores") == [(7,)]
            with pytest.raises(WarehouseError, match="permission denied"):
                query(reader, "SELECT count(*) FROM crm_days.customer_scores_20260305")
    finally:
        with warehouse.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {role}"))
            connection.execute(text(f"DROP ROLE {role}"))
