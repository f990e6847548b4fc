"""Restating published days: staged beside them, swapped in at once, undone, given up, forgotten."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from ddcrm.errors import BatchRejectedError, PlanOutdatedError, PublishError, RestatementError
from ddcrm.settings import RestateSettings
from ddcrm.warehouse import restate, restatements
from ddcrm.warehouse.connect import Warehouse
from ddcrm.warehouse.digest import digest_published
from ddcrm.warehouse.ledger import Ledger
from ddcrm.warehouse.publish import publish_day
from ddcrm.warehouse.records import Batch, Reason, Validation
from ddcrm.warehouse.restatements import Event, Restatement
from tests.warehouse.days import DAY, NEXT, make_day, no_audit
from tests.warehouse.restating import (
    ANYTHING,
    EACH,
    WHO,
    all_marked,
    days_from,
    ledger_of,
    markers,
    plan_for,
    planned,
    publish,
    ready,
    stage_days,
    tables_in,
)
from tests.warehouse.test_publish import query, staged

DAYS = days_from(3)


def test_the_days_are_swapped_in_and_back(warehouse: Warehouse) -> None:
    publish(warehouse, [DAY - timedelta(days=1), *DAYS])
    before, content = ledger_of(warehouse), markers(warehouse)
    found = ready(warehouse, DAYS)
    assert ledger_of(warehouse) == before, "nothing is visible yet"
    assert markers(warehouse) == content
    restate.swap(warehouse, found, who=WHO)
    assert markers(warehouse) == [content[0], *all_marked(DAYS, "new", 31)]
    for day, table, rows, digest, *_ in ledger_of(warehouse):
        assert digest_published(warehouse, table, day) == digest
        assert rows == query(warehouse, f"SELECT count(*) FROM crm.{table} WHERE as_of = '{day}'")[0][0]
    columns = "as_of, restatement_id, models ->> 'bgnbd', fingerprint, made_by ->> 'code'"
    by = query(
        warehouse, f"SELECT DISTINCT {columns} FROM ops.publications WHERE restatement_id IS NOT NULL ORDER BY 1"
    )
    assert by == [(day, found, "v2", f"new {day}", "c2") for day in DAYS]
    assert (tables_in(warehouse, "crm_staging"), tables_in(warehouse, "crm_archive")) == (0, 3 * EACH)
    restate.undo(warehouse, found, who=WHO, why="it was wrong")
    assert markers(warehouse) == content
    assert ledger_of(warehouse) == before, "digests, models, moments: as they were"
    for day, table, _, digest, *_ in before:
        assert digest_published(warehouse, table, day) == digest
    assert (tables_in(warehouse, "crm_staging"), tables_in(warehouse, "crm_archive")) == (0, 0)
    assert tables_in(warehouse, "crm_days") == 4 * EACH


def test_the_ledger_says_who_when_why_from_what_to_what(published: Warehouse) -> None:
    found = ready(published, DAYS)
    restate.swap(published, found, who="anna", why="looks right")
    known = restate.undo(published, found, who="bert", why="it was not")
    told = [(event.event, event.who, event.why) for event in known.events]
    assert told == [
        ("planned", WHO, "shipping is no revenue"), ("approved", "the boss", None), ("staging", WHO, None),
        ("compared", WHO, None), ("swapped", "anna", "looks right"), ("undone", "bert", "it was not"),
    ]  # fmt: skip
    moments = [event.at for event in known.events]
    assert moments == sorted(moments)
    assert (known.from_versions, known.to_versions) == ({"orders": "1.0.0"}, {"orders": "1.1.0"})
    assert [each.id for each in restate.restatements_known(published)] == [found] == ["r1"]


def test_a_plan_that_is_open_keeps_its_id(published: Warehouse) -> None:
    plan = plan_for(published, DAYS)
    first = restate.begin(published, plan, who=WHO, why="a")
    assert restate.begin(published, dict(reversed(plan.items())), who="another", why="b") == first
    assert restate.begin(published, plan_for(published, DAYS[:2]), who=WHO, why="c") == "r2"
    restate.drop(published, first, who=WHO)
    assert restate.begin(published, plan, who=WHO, why="d") == "r3"


def test_batches_alone_can_be_restated(published: Warehouse) -> None:
    """Conformed rows change, and no score that is published."""
    before = ledger_of(published)
    plan = {"id": "abc", "days": {}, "batches": [{"source": "orders"}]}
    found = restate.begin(published, plan, who=WHO, why="x")
    assert restate.begin(published, plan | {"seconds": 7}, who=WHO, why="x") == found, "its own id tells"
    restate.approve(published, found, who=WHO)
    restate.record_batches(published, found, [Batch("orders", DAY, "orders", "1.1.0", landed=3, conformed=3)])
    assert "no published day changes" in restate.compare(published, found).html()
    restate.swap(published, found, who=WHO)
    assert [batch.contract_version for batch in Ledger(published).batches("orders", DAY, DAY)] == ["1.1.0"]
    restate.undo(published, found, who=WHO)
    assert Ledger(published).batches("orders", DAY, DAY) == []
    assert ledger_of(published) == before


@pytest.mark.parametrize("plan", [{}, {"days": {}}, {"days": []}])
def test_a_plan_without_days_is_refused(warehouse: Warehouse, plan: dict[str, Any]) -> None:
    with pytest.raises(RestatementError, match="names nothing"):
        restate.begin(warehouse, plan, who=WHO, why="x")
    assert query(warehouse, "SELECT * FROM ops.restatements") == []


def test_an_order_that_is_not_kept_is_refused(published: Warehouse) -> None:
    """approve, stage, compare, swap, undo: each needs the one before."""
    found = restate.begin(published, plan_for(published, DAYS[:1]), who=WHO, why="x")

    def stage_it(day=DAY):
        return restate.stage(published, found, day, make_day(day, 31, "new"), audit=no_audit)

    with pytest.raises(RestatementError, match="nobody has approved"):
        stage_it()
    restate.approve(published, found, who=WHO)
    with pytest.raises(RestatementError, match="plan does not have this day"):
        stage_it(NEXT)
    with pytest.raises(RestatementError, match="not all days are staged"):
        restate.compare(published, found)
    stage_it()
    with pytest.raises(RestatementError, match=r"can't be swapped before.*state staging"):
        restate.swap(published, found, who=WHO)
    restate.compare(published, found, ANYTHING)
    with pytest.raises(RestatementError, match="can't be undone"):
        restate.undo(published, found, who=WHO)
    restate.swap(published, found, who=WHO)
    for step in (stage_it, lambda: restate.approve(published, found, who=WHO),
                 lambda: restate.drop(published, found, who=WHO),
                 lambda: restate.compare(published, found)):  # fmt: skip
        with pytest.raises(RestatementError, match="state swapped"):
            step()
    with pytest.raises(RestatementError, match="no such restatement"):
        restate.swap(published, "r99", who=WHO)


@pytest.mark.parametrize("state", sorted(restatements.NEXT))
def test_from_every_state_a_command_leads_on(state: str) -> None:
    from ddcrm.cli.restate_app import restate_app

    events = [Event(name, WHO, None, datetime(2026, 3, 1)) for name in ("planned", "approved", "compared")]
    known = Restatement("r7", "p", {"days": {}}, state, WHO, "x", None, None, None, tuple(events))
    beyond = replace(known, comparison={"beyond_limits": ["a: 12.0%"]})
    assert beyond.needs_approval
    there = {command.name for command in restate_app.registered_commands}
    for each in (known, beyond):
        told = re.findall(r"`ddcrm restate( \w+ r7)?[^`]*`", str(restatements.wrong_state(each, "undone")))
        assert told
        assert {words.split()[0] for words in told if words} <= there


def test_all_days_or_none(published: Warehouse) -> None:
    found = planned(published, DAYS)
    stage_days(published, found, DAYS[:2])
    with pytest.raises(RestatementError, match="not all days are staged"):
        restate.compare(published, found, ANYTHING)
    assert list(restate.staged_days(published, found)) == DAYS[:2]


def test_beyond_the_limits_somebody_has_to_approve_again(published: Warehouse) -> None:
    found = planned(published, DAYS)
    stage_days(published, found, DAYS)
    compared = restate.compare(published, found, RestateSettings(max_customers_change=0.5))
    assert any("customers that come or go: 55.0% at" in reason for reason in compared.beyond_limits)
    with pytest.raises(RestatementError, match=r"has to be approved.*55\.0%"):
        restate.swap(published, found, who=WHO)
    restate.approve(published, found, who="the boss", why="as expected")
    stage_days(published, found, DAYS[:1], marker="newer")
    restate.compare(published, found, RestateSettings(max_customers_change=0.5))
    with pytest.raises(RestatementError, match="has to be approved"):
        restate.swap(published, found, who=WHO)  # what was approved was another comparison
    restate.approve(published, found, who="the boss", why="once more")
    assert restate.swap(published, found, who=WHO).state == "swapped"


def test_a_day_that_was_published_since_it_was_planned_is_not_replaced(published: Warehouse) -> None:
    found = ready(published, DAYS)
    publish(published, DAYS[1:2], "later")
    before = ledger_of(published)
    with pytest.raises(PlanOutdatedError, match=f"published since this was planned.*days {DAYS[1]}") as caught:
        restate.swap(published, found, who=WHO)
    assert "Plan again: `ddcrm restate`" in str(caught.value)
    assert ledger_of(published) == before
    publish(published, DAYS[1:2], "old")  # the same content again: the same digest
    restate.swap(published, found, who=WHO)
    assert markers(published) == all_marked(DAYS, "new", 31)


def test_a_day_that_was_published_since_the_swap_is_not_undone(published: Warehouse) -> None:
    found = ready(published, DAYS)
    restate.swap(published, found, who=WHO)
    publish(published, DAYS[1:2], "later")
    before = markers(published)
    with pytest.raises(PlanOutdatedError, match=f"published since this was swapped.*{DAYS[1]}"):
        restate.undo(published, found, who=WHO)
    assert markers(published) == before


def test_one_restatement_upon_another_is_undone_in_turn(published: Warehouse) -> None:
    first = ready(published, DAYS)
    restate.swap(published, first, who=WHO)
    second = planned(published, DAYS[1:])
    stage_days(published, second, DAYS[1:], "newer", 25)
    restate.compare(published, second, ANYTHING)
    restate.swap(published, second, who=WHO)
    with pytest.raises(PlanOutdatedError):
        restate.undo(published, first, who=WHO)
    restate.undo(published, second, who=WHO)
    assert markers(published) == all_marked(DAYS, "new", 31)
    restate.undo(published, first, who=WHO)
    assert markers(published) == all_marked(DAYS, "old", 20)


def test_days_that_were_not_published_yet(warehouse: Warehouse) -> None:
    publish(warehouse, DAYS[:1])
    found = ready(warehouse, DAYS)
    restate.swap(warehouse, found, who=WHO)
    assert markers(warehouse) == all_marked(DAYS, "new", 31)
    assert query(warehouse, "SELECT max(as_of) FROM crm.current_customer_scores") == [(DAYS[-1],)]
    restate.undo(warehouse, found, who=WHO)
    assert markers(warehouse) == all_marked(DAYS[:1], "old", 20)


def test_what_is_staged_with_the_same_fingerprint_is_kept(published: Warehouse) -> None:
    found = planned(published, DAYS)
    stage_days(published, found, DAYS[:2])
    here = "relnamespace = 'crm_staging'::regnamespace AND relkind = 'r'"
    oids = f"SELECT relname, oid FROM pg_class WHERE {here} ORDER BY 1"
    first = query(published, oids)
    stage_days(published, found, DAYS[:2])
    assert query(published, oids) == first
    stage_days(published, found, DAYS[:1], "newer")
    second = dict(query(published, oids))
    changed = {name for name, oid in first if second[name] != oid}
    assert len(changed) == EACH
    assert all(f"_{DAYS[0]:%Y%m%d}_" in name for name in changed)
    assert restate.staged_days(published, found) == {DAYS[0]: f"newer {DAYS[0]}", DAYS[1]: f"new {DAYS[1]}"}


def test_publishing_leaves_what_is_staged_alone(published: Warehouse) -> None:
    found = planned(published, DAYS)
    stage_days(published, found, DAYS)
    publish(published, [NEXT + timedelta(days=9)])
    assert len(staged(published)) == 3 * EACH
    restate.drop(published, found, who=WHO)
    assert staged(published) == []
    restate.drop(published, found, who=WHO)
    assert restate.restatement(published, found).state == "dropped"
    assert markers(published)[:3] == all_marked(DAYS, "old", 20)


def test_a_day_that_fails_its_audit_is_not_staged(published: Warehouse) -> None:
    found = planned(published, DAYS)
    mine = BatchRejectedError("too many without a segment", table="customer_segments")

    def audit(schema: str, table: str, name: str) -> None:
        if name == "segment_migration":
            raise mine

    with pytest.raises(BatchRejectedError) as caught:
        restate.stage(published, found, DAY, make_day(), audit=audit)
    assert caught.value is mine
    with pytest.raises(PublishError, match="rows of another day"):
        restate.stage(published, found, DAY, make_day(NEXT), audit=no_audit)
    assert staged(published) == []
    assert restate.staged_days(published, found) == {}


def _check(status: str) -> Validation:
    return Validation("expect_x", "warning", status, suite="crm", observed={"share": 0.5}, message=status)


def test_checks_and_batches_go_over_and_back(warehouse: Warehouse) -> None:
    publish(warehouse, DAYS[:1])
    ledger = Ledger(warehouse)
    ledger.record_validations([_check("passed")], table="customer_scores", as_of=DAY)
    ledger.record_validations([_check("other")], table="segment_profiles", as_of=DAY)
    old = Batch("orders", DAY, "orders", "1.0.0", landed=10, conformed=9, excluded=1)
    new = Batch("orders", DAY, "orders", "1.1.0", landed=10, conformed=7, excluded=3)
    first = Batch("orders", NEXT, "orders", "1.1.0", landed=5, conformed=5)
    ledger.record_batches([old], [Reason("orders", DAY, "excluded", "a test order", 1)])
    tables = ["SELECT * FROM ops.batches", "SELECT * FROM ops.batch_reasons"]
    columns = "table_name, as_of, expectation, status, observed, message, recorded_at, run_id"
    checks = f"SELECT {columns} FROM ops.validations ORDER BY 1, 4"
    before = [query(warehouse, statement) for statement in (*tables, checks)]
    found = planned(warehouse, DAYS[:1])

    def audit(schema: str, table: str, name: str) -> list[Validation]:
        return [_check("failed")] if name == "customer_scores" else []

    restate.stage(warehouse, found, DAY, make_day(DAY, 20, "new"), audit=audit, run_id="r77")
    reasons = [Reason("orders", DAY, "excluded", "a test order", 1), Reason("orders", DAY, "excluded", "shipping", 2)]
    restate.record_batches(warehouse, found, [new, first], reasons)
    document = restate.compare(warehouse, found, ANYTHING).document
    counted = [(each["outcome"], each["reason"], each["before"], each["after"]) for each in document["batches"]]
    assert counted == [
        ("conformed", None, 9, 12), ("duplicates", None, 0, 0), ("excluded", None, 1, 3), ("landed", None, 10, 15),
        ("quarantined", None, 0, 0), ("excluded", "a test order", 1, 1), ("excluded", "shipping", 0, 2),
    ]  # fmt: skip
    assert [(c["table_name"], c["status"], c["days"]) for c in document["checks"]] == [("customer_scores", "failed", 1)]
    assert [query(warehouse, statement) for statement in (*tables, checks)] == before, "nothing yet"
    restate.swap(warehouse, found, who=WHO)
    found_now = [replace(batch, recorded_at=None) for batch in ledger.batches("orders", DAY, NEXT)]
    assert found_now == [new, first]
    told = query(warehouse, "SELECT outcome, reason, rows FROM ops.batch_reasons ORDER BY 2")
    assert told == [("excluded", "a test order", 1), ("excluded", "shipping", 2)]
    told = query(warehouse, "SELECT table_name, as_of, status, observed, run_id FROM ops.validations ORDER BY 1")
    assert told == [("customer_scores", DAY, "failed", {"share": 0.5}, "r77"),
                    ("segment_profiles", DAY, "other", {"share": 0.5}, None)]  # fmt: skip
    restate.undo(warehouse, found, who=WHO)
    assert [query(warehouse, statement) for statement in (*tables, checks)] == before


def test_replaced_days_are_kept_as_long_as_is_asked(published: Warehouse) -> None:
    found = ready(published, DAYS)
    restate.swap(published, found, who=WHO)
    assert restate.expire(published, 1, who=WHO) == []
    assert tables_in(published, "crm_archive") == 3 * EACH
    with published.begin() as connection:
        connection.execute(text("UPDATE ops.restatement_events SET recorded_at = now() - interval '49 hours'"))
    assert restate.expire(published, 3, who=WHO) == []
    assert restate.expire(published, 2, who=WHO) == [found]
    assert restate.expire(published, 2, who=WHO) == []
    assert tables_in(published, "crm_archive") == 0
    with pytest.raises(RestatementError, match="not kept any more"):
        restate.undo(published, found, who=WHO)
    assert markers(published) == all_marked(DAYS, "new", 31)


def test_published_days_that_came_by_hand_under_another_name(warehouse: Warehouse) -> None:
    """A partition whose name needs quotes is archived and comes back, too."""
    publish(warehouse, DAYS[:1])
    with warehouse.begin() as connection:
        connection.execute(text('ALTER TABLE crm_days.customer_scores_20260305 RENAME TO "Scores of the day"'))
    found = ready(warehouse, DAYS[:1])
    restate.swap(warehouse, found, who=WHO)
    restate.undo(warehouse, found, who=WHO)
    assert markers(warehouse) == all_marked(DAYS[:1], "old", 20)


def test_publish_day_of_a_swapped_day_is_no_restatement_any_more(warehouse: Warehouse) -> None:
    publish(warehouse, DAYS[:1])
    found = ready(warehouse, DAYS[:1])
    restate.swap(warehouse, found, who=WHO)
    publish_day(warehouse, DAY, make_day(marker="later"), audit=no_audit)
    assert query(warehouse, "SELECT DISTINCT restatement_id FROM ops.publications") == [(None,)]


def alter(warehouse: Warehouse, *statements: str) -> None:
    """What a migration does to a published table, its partitions included."""
    with warehouse.begin() as connection:
        for statement in statements:
            connection.execute(text(f"ALTER TABLE crm.customer_scores {statement}"))


def test_a_column_that_a_migration_adds_comes_to_staged_and_kept_days(published: Warehouse) -> None:
    """Swapped in after one migration, undone after the next: every day has the column, with its default."""
    before, content = ledger_of(published), markers(published)
    found = ready(published, DAYS)
    alter(published, "ADD COLUMN region text", "ADD COLUMN weight int NOT NULL DEFAULT 7")
    restate.swap(published, found, who=WHO)
    assert markers(published) == all_marked(DAYS, "new", 31)
    assert query(published, "SELECT DISTINCT region, weight FROM crm.customer_scores") == [(None, 7)]
    alter(published, 'ADD COLUMN "second Weight" numeric(5, 2) DEFAULT 1.50')
    restate.undo(published, found, who=WHO)
    assert (ledger_of(published), markers(published)) == (before, content)
    columns = 'as_of, region, weight, "second Weight", count(*)'
    told = query(published, f"SELECT {columns} FROM crm.customer_scores GROUP BY 1, 2, 3, 4 ORDER BY 1")
    assert [(day, region, weight, str(second), rows) for day, region, weight, second, rows in told] == [
        (day, None, 7, "1.50", 20) for day in DAYS
    ]


@pytest.mark.parametrize(
    "statement",
    ["DROP COLUMN withheld CASCADE", "ALTER COLUMN frequency TYPE bigint",
     "ADD CONSTRAINT positive CHECK (frequency >= 0)"],
)  # fmt: skip
def test_a_migration_that_staged_and_kept_days_cannot_follow_is_told(published: Warehouse, statement: str) -> None:
    swapped, staged_id = ready(published, DAYS[:1]), ""
    restate.swap(published, swapped, who=WHO)
    staged_id = ready(published, DAYS[1:])
    with published.begin() as connection:
        for (view,) in connection.execute(text(VIEWS)).all():
            connection.execute(text(f"DROP VIEW {view}"))
    alter(published, statement)
    before = ledger_of(published)
    with pytest.raises(RestatementError, match=r"customer_scores.*drop the restatement and plan again"):
        restate.swap(published, staged_id, who=WHO)
    with pytest.raises(RestatementError, match=r"customer_scores.*no way back"):
        restate.undo(published, swapped, who=WHO)
    assert ledger_of(published) == before


VIEWS = "SELECT table_schema || '.' || table_name FROM information_schema.views WHERE table_schema = 'crm'"
