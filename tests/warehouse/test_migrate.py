"""Migrations: from nothing to the newest schema, once, whoever asks and how many at once."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from ddcrm.errors import WarehouseError
from ddcrm.warehouse import migrate, tables
from ddcrm.warehouse.connect import Warehouse
from tests.warehouse.days import make_day

ROOT = Path(__file__).parents[2]
NEWEST = max(file.name[:4] for file in (ROOT / "ddcrm" / "warehouse" / "migrations" / "versions").glob("[0-9]*.py"))


@pytest.fixture
def empty(postgres_url: str):
    with Warehouse(postgres_url) as warehouse:
        yield warehouse


def _relations(warehouse: Warehouse) -> set[str]:
    query = (
        "SELECT table_schema || '.' || table_name FROM information_schema.tables WHERE table_schema IN ('crm', 'ops')"
    )
    with warehouse.begin() as connection:
        return {name for (name,) in connection.execute(text(query))}


def test_an_empty_database_gets_all_tables_and_views(empty: Warehouse) -> None:
    assert migrate.current_revision(empty) is None
    assert migrate.upgrade(empty) == migrate.current_revision(empty) == NEWEST
    defined = {table.fullname for table in tables.metadata.sorted_tables}
    views = {f"crm.current_{table}" for table in make_day()} | {"ops.complete_days"}
    assert _relations(empty) == defined | views | {"ops.schema_version"}


def test_a_second_upgrade_changes_nothing(warehouse: Warehouse) -> None:
    query = text("SELECT oid, relname FROM pg_class WHERE relnamespace = 'crm'::regnamespace ORDER BY oid")
    with warehouse.begin() as connection:
        before = connection.execute(query).fetchall()
    migrate.upgrade(warehouse)
    with warehouse.begin() as connection:
        assert connection.execute(query).fetchall() == before
    assert len(before) > 8


def test_metadata_and_migrations_agree(warehouse: Warehouse) -> None:
    assert migrate.drift(warehouse) == []
    with warehouse.begin() as connection:  # the comparison does see what differs
        connection.execute(text("ALTER TABLE ops.models ALTER trained_as_of TYPE text"))
        connection.execute(text("COMMENT ON COLUMN ops.runs.step IS 'another'"))
        connection.execute(text("DROP INDEX ops.runs_step"))
    assert len(migrate.drift(warehouse)) == 3


def test_check_constraints_and_partitioning_agree(warehouse: Warehouse) -> None:
    """What Alembic's comparison does not look at."""
    inspector = inspect(warehouse.engine)
    for table in tables.metadata.sorted_tables:
        defined = {check.name for check in table.constraints if type(check).__name__ == "CheckConstraint"}
        found = {check["name"] for check in inspector.get_check_constraints(table.name, table.schema)}
        assert found == defined
        key = inspector.get_pk_constraint(table.name, table.schema)["constrained_columns"]
        assert key == tables.key_of(table)
    query = text("SELECT partrelid::regclass::text, pg_get_partkeydef(partrelid) FROM pg_partitioned_table")
    with warehouse.begin() as connection:
        partitioned = dict(connection.execute(query).fetchall())
    assert partitioned == {table.fullname: "LIST (as_of)" for table in tables.PUBLISHED}


def test_every_table_and_column_has_a_comment_in_the_database(warehouse: Warehouse) -> None:
    query = text("""
        SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace IN ('crm'::regnamespace, 'ops'::regnamespace) AND c.relkind IN ('r', 'p')
          AND a.attnum >= 0 AND NOT a.attisdropped AND c.relname <> 'schema_version'
          AND col_description(c.oid, a.attnum) IS NULL""")
    no_table = text("""
        SELECT relname FROM pg_class WHERE relnamespace IN ('crm'::regnamespace, 'ops'::regnamespace)
          AND relkind IN ('r', 'p', 'v') AND relname <> 'schema_version'
          AND obj_description(oid, 'pg_class') IS NULL""")
    with warehouse.begin() as connection:
        assert connection.execute(query).fetchall() == []
        assert connection.execute(no_table).fetchall() == []
        assert connection.execute(text("SELECT obj_description('crm.customer_scores'::regclass)")).scalar()


def test_two_upgrades_at_once_in_one_process(empty: Warehouse) -> None:
    with Warehouse(empty.url) as other, ThreadPoolExecutor(2) as pool:
        assert list(pool.map(migrate.upgrade, [empty, other])) == [NEWEST, NEWEST]


def test_upgrades_of_several_processes_at_once(empty: Warehouse) -> None:
    script = (
        "import sys; from ddcrm.warehouse.connect import Warehouse; from ddcrm.warehouse.migrate import upgrade\n"
        "sys.stdin.readline(); print(upgrade(Warehouse(sys.argv[1])))"
    )
    command = [sys.executable, "-c", script, empty.url]
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    answers = [child.communicate("go\n") for child in children]
    assert [out.strip() for out, _ in answers] == [NEWEST] * 3, answers
    assert migrate.drift(empty) == []


def test_check_current_says_what_to_run(empty: Warehouse) -> None:
    with pytest.raises(WarehouseError, match=r"no tables yet.*`ddcrm warehouse upgrade`"):
        migrate.check_current(empty)
    migrate.upgrade(empty)
    migrate.check_current(empty)


def test_a_schema_newer_than_this_ddcrm_is_refused(warehouse: Warehouse) -> None:
    with warehouse.begin() as connection:
        connection.execute(text("UPDATE ops.schema_version SET version_num = '9999'"))
    for step in (migrate.check_current, migrate.upgrade):
        with pytest.raises(WarehouseError, match=r"9999.*Update ddcrm"):
            step(warehouse)


def test_an_upgrade_that_fails_leaves_nothing(empty: Warehouse) -> None:
    with empty.begin() as connection:
        connection.execute(text("CREATE SCHEMA ops"))
        connection.execute(text("CREATE TABLE ops.runs (mine int)"))
    with pytest.raises(WarehouseError, match='relation "runs" already exists'):
        migrate.upgrade(empty)
    assert _relations(empty) == {"ops.runs"}
    assert migrate.current_revision(empty) is None


def test_an_administrators_schemas_are_enough(empty: Warehouse) -> None:
    """A role that may not create schemas migrates into those that were made for it."""
    role = f"limited_{empty.engine.url.database}"
    with empty.begin() as connection:
        connection.execute(text(f"CREATE ROLE {role} LOGIN"))
        for schema in ("crm", "ops", "crm_days", "crm_staging", "crm_archive"):
            connection.execute(text(f"CREATE SCHEMA {schema}"))
            connection.execute(text(f"GRANT ALL ON SCHEMA {schema} TO {role}"))
    with Warehouse(empty.url.replace("postgres@", f"{role}@")) as limited:
        migrate.upgrade(limited)
        assert migrate.current_revision(limited) == migrate.head()
    with empty.begin() as connection:
        connection.execute(text(f"DROP OWNED BY {role}"))
        connection.execute(text(f"DROP ROLE {role}"))


def test_a_role_without_rights_is_told_so(empty: Warehouse) -> None:
    role = f"poor_{empty.engine.url.database}"
    with empty.begin() as connection:
        connection.execute(text(f"CREATE ROLE {role} LOGIN"))
    with (
        Warehouse(empty.url.replace("postgres@", f"{role}@")) as poor,
        pytest.raises(WarehouseError, match="permission denied for database"),
    ):
        migrate.upgrade(poor)
    with empty.begin() as connection:
        connection.execute(text(f"DROP ROLE {role}"))


def test_migrations_go_back(warehouse: Warehouse) -> None:
    from alembic import command

    with warehouse.begin() as connection:
        command.downgrade(migrate._config(connection), "base")
    assert _relations(warehouse) == {"ops.schema_version"}
    migrate.upgrade(warehouse)
    assert migrate.drift(warehouse) == []


def test_the_wheel_carries_the_migrations(tmp_path: Path) -> None:
    from zipfile import ZipFile

    build = "from hatchling.build import build_wheel; import sys; print(build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(ZipFile(wheel).namelist())
    folder = ROOT / "ddcrm/warehouse/migrations"
    wanted = {str(path.relative_to(ROOT)) for path in folder.rglob("*.py")}
    assert "ddcrm/warehouse/migrations/versions/0001_first_tables.py" in wanted
    assert wanted <= names


def test_the_newest_version_is_the_one_that_alembic_finds() -> None:
    assert migrate.head() == migrate._scripts().get_current_head() == NEWEST
