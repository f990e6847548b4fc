"""Restatements beside others and after kills: warehouse and lake say the same, and a command leads on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event
from typing import Any

import psycopg
import pytest

from ddcrm import progress
from ddcrm.atomic import locked
from ddcrm.dates import DateRange
from ddcrm.errors import PlanOutdatedError, RestatementError
from ddcrm.pipeline.planning import make_plan
from ddcrm.pipeline.record import opened
from ddcrm.pipeline.restate import approve, give_up, propose, restate
from ddcrm.pipeline.restate_swap import expire, swap, undo
from ddcrm.pipeline.shadow import lake_gate, restatements_dir
from ddcrm.pipeline.train import registry
from ddcrm.settings import Settings
from ddcrm.warehouse.connect import Warehouse
from ddcrm.warehouse.embedded import EmbeddedPostgres
from ddcrm.warehouse.restate import Restatement, restatements_known
from ddcrm.warehouse.restate import expire as expire_in_warehouse
from tests.pipeline import days as run
from tests.pipeline.lived import AMOUNT, NET_AMOUNT, PUBLISHED, Lived, lived_in, version
from tests.pipeline.reading import conformed, rows
from tests.pipeline.shop import FIRST, Shop, order
from tests.pipeline.test_clean import age
from tests.pipeline.test_restate import WHO, state

CHANGED = PUBLISHED[2]  # from here on: two batches, a training, two days


@pytest.fixture(scope="module")
def compared(lived: Lived, postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """A shop whose restatement r1 is compared, and goes beyond the limits."""
    folder = tmp_path_factory.mktemp("compared") / "shop"
    with lived.copy(postgres_server, folder) as shop:
        toml = shop.folder / "ddcrm.toml"
        toml.write_text(toml.read_text() + "\n[restate]\nmax_value_change = 0.0001\n")
        version(shop, "1.1.0", CHANGED, NET_AMOUNT)
        found, plan = propose(shop.settings, **WHO)
        assert found == "r1"
        approve(shop.settings, found, who="bob", seen=plan.id)
        assert restate(shop.settings, found).beyond_limits
        return lived_in(shop)


@pytest.fixture
def shop(compared: Lived, postgres_server: EmbeddedPostgres, tmp_path: Path) -> Iterator[Shop]:
    with compared.copy(postgres_server, tmp_path / "shop") as own:
        yield own


def known(settings: Settings) -> dict[str, Restatement]:
    with Warehouse.open(settings) as warehouse:
        return {each.id: each for each in restatements_known(warehouse)}


def agree(settings: Settings) -> None:
    """Approve the comparison of r1."""
    approve(settings, "r1", who="bob")


def killed_at(name: str, settings: Settings, step: Any) -> None:
    """Swap, undo or the like of r1, and die at a point of it."""

    def die(reached: str, facts: dict[str, Any]) -> None:
        if reached == name:
            raise KeyboardInterrupt

    with progress.listening(die), pytest.raises(KeyboardInterrupt):
        step(settings, "r1", who="ann")


def amounts(settings: Settings, day: Any = CHANGED) -> list[Any]:
    """What the lake has of a day."""
    return sorted(row[-1] for row in conformed(settings) if str(row[0]) == str(day))


def another(shop: Shop) -> None:
    """A version of the contract that nobody has restated by."""
    version(shop, "1.2.0", CHANGED, (AMOUNT, NET_AMOUNT[1].replace("- 1", "- 3")))


def test_a_plan_that_is_proposed_amid_a_swap_waits_for_its_end(shop: Shop) -> None:
    settings, before = shop.settings, state(shop.settings)
    agree(settings)
    waiting = Event()
    with Warehouse.open(settings) as warehouse, psycopg.connect(warehouse.conninfo) as reader:
        reader.execute("SELECT count(*) FROM crm.customer_scores")
        with (
            ThreadPoolExecutor(2) as pool,
            progress.listening(lambda name, _: waiting.set() if name == "publish.waiting" else None),
        ):
            swapping = pool.submit(swap, settings, "r1", who="ann")
            assert waiting.wait(60)
            proposing = pool.submit(propose, settings, who="ann", why="half", dates=DateRange(CHANGED, CHANGED))
            assert wait([proposing], 1).not_done
            another(shop)
            reader.rollback()
            assert swapping.result(60).state == "swapped"
            assert proposing.result(60)[0] == "r2"
    assert {name: each.state for name, each in known(settings).items()} == {"r1": "swapped", "r2": "planned"}
    after = state(settings)
    assert all(after[name] != before[name] for name in ("lake", "versions", "models", str(CHANGED)))
    undo(settings, "r1", who="ann")
    assert state(settings) == before


def test_a_swap_that_begins_amid_a_proposal_finds_that_it_gave_way(shop: Shop) -> None:
    settings, before = shop.settings, state(shop.settings)
    agree(settings)
    planned, committed = Event(), Event()
    events = {"restate.planned": planned, "restate.committed": committed}

    def hear(name: str, facts: dict[str, Any]) -> None:
        if name in events:
            events[name].set()
        if name == "restate.planned":
            committed.wait(1)

    with ThreadPoolExecutor(2) as pool, progress.listening(hear):
        proposing = pool.submit(propose, settings, who="ann", why="half", dates=DateRange(CHANGED, CHANGED))
        assert planned.wait(60)
        swapping = pool.submit(swap, settings, "r1", who="ann")
        assert proposing.result(60)[0] == "r2"
        with pytest.raises(RestatementError, match="at its end"):
            swapping.result(60)
    assert {name: each.state for name, each in known(settings).items()} == {"r1": "dropped", "r2": "planned"}
    assert (restatements_dir(settings) / "r2" / "lake").is_dir()
    assert state(settings) == before


def test_an_ingest_that_began_before_a_killed_swap_finishes_it_first(shop: Shop) -> None:
    """Else the ledger would say what it took in, and the lake have what was restated."""
    from ddcrm.pipeline.ingest import validate

    settings, before = shop.settings, amounts(shop.settings)
    agree(settings)
    begun, go = Event(), Event()

    def hold(name: str, facts: dict[str, Any]) -> None:
        if name == "validate.begin":
            begun.set()
            assert go.wait(60)

    with ThreadPoolExecutor(1) as pool, progress.listening(hold):
        ingesting = pool.submit(validate, settings, "orders", DateRange(CHANGED, CHANGED))
        assert begun.wait(60)
        killed_at("restate.committed", settings, swap)
        another(shop)
        go.set()
        ingesting.result(60)
    with opened(settings):
        pass
    told = dict(rows(settings, "SELECT batch_date, contract_version FROM ops.batches WHERE batch_date >= %s", CHANGED))
    assert told == {CHANGED: "1.2.0", PUBLISHED[3]: "1.1.0"}
    assert [amount + 3 for amount in amounts(settings)] == before
    with pytest.raises(PlanOutdatedError, match="taken in again"):
        undo(settings, "r1", who="ann")


def test_a_killed_swap_is_finished_by_one_who_is_alone_in_the_lake(shop: Shop) -> None:
    """Not beside an ingest that is about to accept; by any command, and once."""
    settings, before = shop.settings, amounts(shop.settings)
    agree(settings)
    killed_at("restate.committed", settings, swap)
    with ThreadPoolExecutor(1) as pool:
        with lake_gate(settings, shared=True):
            listing = pool.submit(known, settings), pool.submit(expire, settings, who="ann")
            assert wait(listing, 1).not_done == {listing[1]}
            assert amounts(settings) == before
        assert listing[1].result(60) == []
    assert [amount + 1 for amount in amounts(settings)] == before
    killed_at("restate.undo_committed", settings, undo)
    with opened(settings):
        assert amounts(settings) == before
    assert undo(settings, "r1", who="ann").state == "undone"


def test_a_swap_that_the_warehouse_does_not_know_blocks_nobody(shop: Shop) -> None:
    """The warehouse was restored from a backup of before: the lake goes back to before, too."""
    settings, before = shop.settings, state(shop.settings)
    agree(settings)
    swap(settings, "r1", who="ann")
    after, root = state(settings), restatements_dir(settings)
    shutil.copytree(root / "r1", root / "r99")
    (root / "r99" / "swapped.json").rename(root / "r99" / "swap.json")
    assert list(known(settings)) == ["r1"]
    with opened(settings):
        found = state(settings)
    assert [name for name in found if found[name] != after[name]] == ["lake", "models"]
    assert (found["lake"], found["models"]) == (before["lake"], before["models"])
    assert not (root / "r99" / "swap.json").exists()
    (root / "r98").mkdir()
    (root / "r98" / "undo.json").write_text("{}")
    with pytest.raises(RestatementError, match=r"does not know.*r98/undo\.json.*remove the file"), opened(settings):
        pass


def test_what_a_lost_ledger_left_is_not_taken_for_work(shop: Shop) -> None:
    settings = shop.settings
    (restatements_dir(settings) / "r2" / "batches").mkdir(parents=True)
    another(shop)
    give_up(settings, "r1", who="ann")
    assert propose(settings, **WHO)[0] == "r2"
    assert not (restatements_dir(settings) / "r2").exists()


def test_of_two_proposals_at_once_one_stays_and_has_the_work(shop: Shop) -> None:
    settings = shop.settings
    ranges = [DateRange(CHANGED, CHANGED), DateRange(PUBLISHED[3], PUBLISHED[3])]
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda dates: propose(settings, who="ann", why="half", dates=dates)[0], ranges))
    assert sorted(each or "" for each in both) == ["r2", "r3"]
    states = {name: each.state for name, each in known(settings).items()}
    assert states == {"r1": "dropped", "r2": "dropped", "r3": "planned"}
    assert [folder.name for folder in restatements_dir(settings).glob("r*")] == ["r3"]
    assert (restatements_dir(settings) / "r3" / "lake").is_dir()
    with pytest.raises(RestatementError, match=r"at its end.*`ddcrm restate`"):
        restate(settings, "r1")


def test_a_proposal_that_is_killed_is_made_again(shop: Shop) -> None:
    """Before the other one's work is taken over, and before it is dropped: the work is there, and one stays open."""
    settings = shop.settings
    another(shop)
    for name in ("restate.planned", "restate.taken_over", "restate.dropping"):
        killed_at(name, settings, lambda settings, _, who: propose(settings, who=who, why="again"))
        assert [each.state for each in known(settings).values()] == ["planned", "compared"]
    assert propose(settings, **WHO)[0] == "r2"
    assert {name: each.state for name, each in known(settings).items()} == {"r1": "dropped", "r2": "planned"}
    assert [folder.name for folder in restatements_dir(settings).glob("r*")] == ["r2"]
    assert (restatements_dir(settings) / "r2" / "lake").is_dir()


def test_another_change_takes_the_work_over(shop: Shop) -> None:
    """A batch came otherwise since: what is conformed stays, the approval does not."""
    settings = shop.settings
    agree(settings)
    shop.rows[PUBLISHED[3]] += order("LATE1", "C0000", FIRST, 55.0)
    shop.write(PUBLISHED[3])
    run.ingest(settings, PUBLISHED[3])
    for step in (lambda: swap(settings, "r1", who="ann"), lambda: restate(settings, "r1")):
        with pytest.raises(PlanOutdatedError, match=r"Plan again: `ddcrm restate`"):
            step()
    work, ours = restatements_dir(settings) / "r1" / "batches", restatements_dir(settings) / "r2" / "batches"
    done = {file.name: file.stat().st_mtime_ns for file in work.glob("*.json")}
    assert done
    assert propose(settings, **WHO)[0] == "r2"
    with pytest.raises(RestatementError, match="nobody has approved it yet"):
        restate(settings, "r2")
    assert {file.name: file.stat().st_mtime_ns for file in ours.glob("*.json")} == done
    approve(settings, "r2", who="bob")
    ranges: list[Any] = []
    with progress.listening(lambda name, facts: ranges.append(facts) if name == "restate.batches" else None):
        restate(settings, "r2")
    assert [(each["done"], each["waiting"]) for each in ranges] == [(1, 0)]


def test_a_batch_that_comes_amid_the_work_is_not_said_to_be_in_it(shop: Shop) -> None:
    """The work has read the lake already: the ledger says what it has read, so the next plan has the day."""
    settings, more, came = shop.settings, PUBLISHED[3], Event()
    found, _ = propose(settings, who="ann", why="half", dates=DateRange(CHANGED, CHANGED))
    assert found == "r2"
    approve(settings, found, who="bob")
    shop.rows[more] += order("LATE1", "C0000", FIRST, 55.0)
    shop.write(more)

    def ingest(name: str, facts: dict[str, Any]) -> None:
        if name == "restate.batches":
            run.ingest(settings, more)
            came.set()

    with progress.listening(ingest):
        restate(settings, found)
    assert came.is_set()
    approve(settings, found, who="bob")
    swap(settings, found, who="ann")
    plan = make_plan(settings)
    assert ([day.as_of for day in plan.days], plan.trainings, plan.batches) == ([more], (), ())


def test_what_somebody_works_on_is_neither_taken_over_nor_swapped(shop: Shop) -> None:
    settings = shop.settings
    agree(settings)
    another(shop)
    with locked(restatements_dir(settings) / "r1"):
        for step in (lambda: propose(settings, **WHO), lambda: swap(settings, "r1", who="ann")):
            with pytest.raises(RestatementError, match="at work"):
                step()
        assert {name: each.state for name, each in known(settings).items()} == {"r1": "compared"}
        give_up(settings, "r1", who="ann")  # who works learns it at its next step
        assert (restatements_dir(settings) / "r1" / "lake").is_dir()
    assert known(settings)["r1"].state == "dropped"


def test_yes_approves_a_plan_and_never_a_comparison(shop: Shop) -> None:
    from typer.testing import CliRunner

    from ddcrm.cli import app

    def said(*words: str) -> str:
        return CliRunner().invoke(app, ["--project", str(shop.folder), "restate", *words]).output

    settings = shop.settings

    def die(name: str, facts: dict[str, Any]) -> None:
        if name == "restate.batches":
            raise KeyboardInterrupt

    with progress.listening(die):
        said("--yes")
    assert known(settings)["r1"].needs_approval
    with pytest.raises(RestatementError, match=r"has to be approved.*approve r1`"):
        swap(settings, "r1", who="ann")
    compared_as = known(settings)["r1"].waits_for
    with pytest.raises(RestatementError, match="compared again since"):
        approve(settings, "r1", who="bob", seen="another")
    assert "approve it again" in said("--yes")
    approve(settings, "r1", who="bob", seen=compared_as)
    assert known(settings)["r1"].waits_for is None
    assert "r1 is swapped in" in said("--yes"), "the same comparison needs no other approval"
    assert known(settings)["r1"].state == "swapped"


def test_an_undoing_comes_too_late(shop: Shop) -> None:
    """Models were trained since; or what was replaced is let go, be it only in the warehouse."""
    settings = shop.settings
    agree(settings)
    swap(settings, "r1", who="ann")
    after, models = state(settings), registry(settings)
    pointer = models.pointers("bgnbd")[CHANGED]
    models.set_pointer("bgnbd", CHANGED, {**pointer, "made_by": None})
    with pytest.raises(PlanOutdatedError, match="trained again"):
        undo(settings, "r1", who="ann")
    models.set_pointer("bgnbd", CHANGED, pointer)
    age(settings, "r1")
    with Warehouse.open(settings) as warehouse:
        assert expire_in_warehouse(warehouse, 30, who="ann") == ["r1"]  # and killed before the lake's part
    with pytest.raises(RestatementError, match=r"not kept any more.*`ddcrm restate`"):
        undo(settings, "r1", who="ann")
    assert not list(restatements_dir(settings).glob("*/undo.json"))
    assert state(settings) == after


def test_what_was_replaced_is_let_go_in_warehouse_and_lake(shop: Shop) -> None:
    settings = shop.settings
    agree(settings)
    swap(settings, "r1", who="ann")
    after = state(settings)
    assert expire(settings, who="ann") == []
    age(settings, "r1")
    assert expire(settings, who="ann") == ["r1"]
    assert not (restatements_dir(settings) / "r1").exists()
    with pytest.raises(RestatementError, match="not kept any more"):
        undo(settings, "r1", who="ann")
    assert state(settings) == after
