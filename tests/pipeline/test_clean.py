"""What nobody needs goes; what a reader, an undo or an open restatement needs stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ddcrm import progress
from ddcrm.errors import RestatementError
from ddcrm.lake.layout import conformed_table, landing_table, quarantine_table
from ddcrm.pipeline.clean import clean, leftovers
from ddcrm.pipeline.restate import propose
from ddcrm.pipeline.restate_swap import swap, undo
from ddcrm.pipeline.shadow import restatements_dir
from ddcrm.settings import CleanSettings, Settings
from ddcrm.warehouse.connect import Warehouse
from ddcrm.warehouse.embedded import EmbeddedPostgres
from tests.pipeline import days as run
from tests.pipeline.lived import NET_AMOUNT, PUBLISHED, Lived, version
from tests.pipeline.reading import rows
from tests.pipeline.shop import Shop
from tests.pipeline.test_restate import WHO, made, state
from tests.warehouse.restating import tables_in


@pytest.fixture
def shop(lived: Lived, postgres_server: EmbeddedPostgres, tmp_path: Path) -> Iterator[Shop]:
    with lived.copy(postgres_server, tmp_path / "shop") as own:
        yield own


def at_once(settings: Settings) -> Settings:
    """Settings that keep nothing for a time, which nobody may set."""
    none = CleanSettings.model_construct(superseded_hours=0, scored_days=0, abandoned_days=30)
    return settings.model_copy(update={"clean": none})


def on_disk(settings: Settings) -> dict[str, int]:
    """The Parquet files of the lake's tables, with their sizes."""
    kinds = ("landing", "conformed", "quarantine")
    files = [file for kind in kinds for file in (settings.lake_dir / kind).rglob("*.parquet")]
    return {str(file): file.stat().st_size for file in files}


def referred(settings: Settings) -> set[str]:
    tables = [landing_table(settings, "orders"), conformed_table(settings, "orders")]
    return {file for table in (*tables, quarantine_table(settings, "orders")) for file in table.files()}


def age(settings: Settings, restatement: str) -> None:
    """As if it had happened 31 days ago."""
    statement = (
        "UPDATE ops.restatement_events SET recorded_at = recorded_at - interval '31 days' "
        f"WHERE restatement_id = '{restatement}'"
    )
    with Warehouse.open(settings) as warehouse, warehouse.begin() as connection:
        connection.exec_driver_sql(statement)


def kinds(found: list[Any]) -> list[str]:
    return sorted({each.kind for each in found})


def test_superseded_files_go_and_what_is_read_stays(shop: Shop) -> None:
    settings = shop.settings
    run.ingest(settings, PUBLISHED[0], PUBLISHED[1])
    stray = settings.lake_dir / "conformed/orders/source=orders/batch_date=2026-01-16/killed.parquet"
    stray.write_bytes(b"half")
    before, files = state(settings), on_disk(settings)
    assert leftovers(settings) == [], "nothing is old enough"
    assert set(files) > referred(settings)
    found = leftovers(at_once(settings))
    assert (on_disk(settings), state(settings)) == (files, before), "it only looks"
    assert kinds(found) == ["scored", "superseded"]
    gone = {name: size for name, size in files.items() if name not in referred(settings)}
    lake = [each for each in found if each.kind == "superseded"]
    assert (sum(each.number for each in lake), sum(each.size for each in lake)) == (len(gone), sum(gone.values()))

    def stop(name: str, facts: dict[str, Any]) -> None:
        if name == "clean.removing" and facts["kind"] == "scored":
            raise KeyboardInterrupt

    with progress.listening(stop), pytest.raises(KeyboardInterrupt):
        clean(at_once(settings), who="ann")
    assert kinds(clean(at_once(settings), who="ann")) == ["scored"]
    assert set(on_disk(settings)) == referred(settings)
    assert leftovers(at_once(settings)) == []
    assert state(settings) == before
    run.score(settings, PUBLISHED[-1:])  # what it needs of the day before is made again
    assert state(settings) == before


def test_what_an_undo_needs_stays_as_long_as_it_is_kept(shop: Shop) -> None:
    settings = shop.settings
    version(shop, "1.1.0", PUBLISHED[3], NET_AMOUNT)
    before = state(settings)
    first = made(shop)
    assert kinds(clean(at_once(settings), who="ann")) == ["scored"], "an open restatement stays"
    swap(settings, first, who="ann")
    after = state(settings)
    assert kinds(clean(at_once(settings), who="ann")) == ["superseded"]
    assert state(settings) == after
    undo(settings, first, who="ann")
    assert state(settings) == before
    assert "ended" in kinds(clean(at_once(settings), who="ann"))
    assert not (restatements_dir(settings) / first).exists()

    second = made(shop)
    swap(settings, second, who="ann")
    age(settings, second)
    with Warehouse.open(settings) as warehouse:
        kept = tables_in(warehouse, "crm_archive")
        [replaced] = [each for each in leftovers(settings) if each.kind == "replaced"]
        assert (replaced.number > kept > 0, replaced.size > 0) == (True, True)
        clean(settings, who="ann")
        assert tables_in(warehouse, "crm_archive") == 0
    assert not (restatements_dir(settings) / second).exists()
    assert state(settings) == after
    assert leftovers(settings) == []
    with pytest.raises(RestatementError, match="not kept any more"):
        undo(settings, second, who="ann")


def test_a_restatement_that_nobody_touches_is_given_up(shop: Shop) -> None:
    settings = shop.settings
    version(shop, "1.1.0", PUBLISHED[3], NET_AMOUNT)
    found, _ = propose(settings, **WHO)
    assert found is not None
    assert leftovers(settings) == []
    age(settings, found)
    assert kinds(clean(settings, who="ann")) == ["abandoned"]
    told = rows(settings, "SELECT state, (SELECT max(why) FROM ops.restatement_events WHERE event = 'dropped') "
                "FROM ops.restatements")  # fmt: skip
    assert told == [("dropped", "nobody has touched it for 30 days")]


def test_the_command_tells_before_it_asks(shop: Shop) -> None:
    from typer.testing import CliRunner

    from ddcrm.cli import app

    def said(*words: str, answer: str = "") -> str:
        result = CliRunner().invoke(app, ["--project", str(shop.folder), "clean", *words], input=answer)
        assert result.exit_code == 0, result.output
        return result.output

    assert "nothing to remove" in said()
    version(shop, "1.1.0", PUBLISHED[3], NET_AMOUNT)
    propose(shop.settings, **WHO)
    age(shop.settings, "r1")
    assert "abandoned" in said("--dry-run")
    assert "Remove it?" in said(answer="n\n")
    assert '"removed": false' in said("--json")
    assert rows(shop.settings, "SELECT state FROM ops.restatements") == [("planned",)]
    assert "removed" in said(answer="y\n")
    assert rows(shop.settings, "SELECT state FROM ops.restatements") == [("dropped",)]
