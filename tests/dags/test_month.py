"""A month of the demo company with a real Airflow: days in any order, a change of schema, what fails, a correction.

One story with one Airflow, which takes half a minute to start: each test goes on where the one before ended. Where one
fails, those after it say so and do nothing.

Days 1 to 11 by the library, 12 to 14 by a backfill; day 15 fails, a proposal, a commit, a backfill of what waits; the
rest by the library; then a new version of the contract from day 1 on: 30 days are restated, swapped in, and back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ddcrm.contracts import load_contracts
from ddcrm.dates import DateRange
from ddcrm.demo.processes import living
from ddcrm.demo.rest import AirflowApiError
from ddcrm.demo.watch import DAGS, last_error, run_days
from ddcrm.warehouse.restate import restatement
from tests.dags.month import AFTER, BEFORE, BY_AIRFLOW, CHANGE, HISTORY, MONTH, SOURCES, SUNDAYS, WAITING, Project
from tests.dags.reading import BATCHES, CURRENT, DIGESTS, MODELS, READERS, VERSIONS, check_seen, read
from tests.dags.running import RESTATE, Running, answer, wait
from tests.dags.running import running as running
from tests.pipeline.forks import reader
from tests.pipeline.reading import TABLES, conformed, rows
from tests.warehouse.polling import polling, rate

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.xdist_group("airflow")]


@pytest.fixture(autouse=True)
def in_its_turn(running: Running, request: pytest.FixtureRequest) -> Iterator[None]:
    """No test goes on where the one before it did not come to its end."""
    assert not running.failed, f"the story ended with {running.failed[0]}"
    before = request.session.testsfailed
    yield
    if request.session.testsfailed > before:
        running.failed.append(request.node.name)


def test_three_days_at_once_and_newest_first_are_scored(running: Running) -> None:
    """As they are in their order: see below, where all digests are compared with those of such a month."""
    from ddcrm.pipeline.planning import make_plan

    project, days = running.project, BY_AIRFLOW
    [*_, sunday] = [day for day in sorted(SUNDAYS) if day < days.first]
    run_days(running.airflow, days, sunday, lambda _: None, max_active_runs=3, run_backwards=True)
    assert not make_plan(project.settings), "each day and each training is as it would be made now"
    counted = dict(rows(project.settings, "SELECT as_of, count(*) FROM crm.customer_scores GROUP BY as_of"))
    assert counted == {day: project.buyers(day) for day in BEFORE}
    landed = dict(rows(project.settings, "SELECT batch_date, landed FROM ops.batches WHERE source = 'orders'"))
    assert landed == {day: len(project.delivered(day)) for dates in (HISTORY, BEFORE) for day in dates}
    runs = running.airflow.api.runs("crm_ingest")
    assert {run["run_type"] for run in runs} == {"backfill"}, "nothing is scheduled after the last day"
    assert {str(run["conf"]["backfill"]["first"]) for run in runs} == {str(days.first)}
    last = running.tasks("crm_ingest", runs[-1]["dag_run_id"])["conformed"]
    assert last[0] in ("skipped", "success"), "it waits without a slot, or came last"


def test_the_day_of_the_change_fails_once_and_says_what_to_do(running: Running) -> None:
    api, settings = running.airflow.api, running.project.settings
    run = api.trigger("crm_ingest", CHANGE)
    running.ends("crm_ingest", run, "failed")
    steps = {f"{source}.{step}": ("success", 1) for source in SOURCES for step in ("extract", "transform", "validate")}
    waiting = ("upstream_failed", 0)
    failed = {"orders.transform": ("failed", 1), "orders.validate": waiting, "conformed": waiting}
    assert running.tasks("crm_ingest", run) == steps | failed
    said = last_error(api.log("crm_ingest", run, "orders.transform"))
    for words in (
        "SchemaChangedError: the source has changed: Amount may now be total_cents", "so the unit may be another one",
        "column Amount", "what is published stays current", f"`ddcrm contract propose orders --batch {CHANGE}`",
    ):  # fmt: skip
        assert words in said
    followed = {run["partition_key"] for dag in ("crm_train", "crm_score") for run in api.runs(dag)}
    assert max(followed) == str(BEFORE.last)
    assert rows(settings, "SELECT DISTINCT as_of FROM crm.current_customer_scores") == [(BEFORE.last,)]
    arrived = rows(settings, "SELECT source FROM ops.batches WHERE batch_date = %s ORDER BY 1", CHANGE)
    assert arrived == [("market",)]


def test_the_proposal_finds_rename_unit_and_channel(running: Running) -> None:
    said = json.loads(running.ddcrm("contract", "propose", "orders", "--batch", str(CHANGE), "--json"))
    file = running.project.contract("2.0.0")
    assert (said["version"], said["file"], said["undecided"], said["reads"]) == ("2.0.0", str(file), [], True)
    assert said["decided"] == [
        "Amount is called total_cents", "amount is in another unit: / 100", "channel may be marketplace",
    ]  # fmt: skip
    text = file.read_text("utf-8")
    for evidence in (
        "# Renamed: Amount did not arrive, total_cents did. Evidence (0 to 1): names alike 0.38, values readable 1.00",
        "# Another unit: the median of amount is", "# New values: channel has values outside its enumeration",
        "# - {name: loyalty_tier, physicalName: loyalty_tier, logicalType: string}  # in 100% of the rows",
    ):  # fmt: skip
        assert evidence in text
    assert _in_force(running.project) == "1.0.0", "it reads nothing until a person says so"
    assert text.count("\nstatus: proposed\n") == 1
    file.write_text(text.replace("\nstatus: proposed\n", "\nstatus: active\n"), "utf-8")
    assert _in_force(running.project) == "2.0.0"


def _in_force(project: Project) -> str:
    return load_contracts(project.settings.contracts_dir).for_batch("orders", CHANGE).version


def test_a_backfill_of_four_at_once_brings_the_days_that_waited(running: Running) -> None:
    said = running.ddcrm(
        "backfill", "--from", str(WAITING.first), "--to", str(WAITING.last), "--max-active-runs", "4", "--yes"
    )
    assert said.splitlines() == [
        "crm_ingest: 6 partitions, oldest first, 4 at once",
        f"    {CHANGE} (1): market 1.0.0 again, orders 2.0.0; not published yet",
        "    2026-03-16..2026-03-20 (5): market 1.0.0, orders 2.0.0; not published yet",
        "Airflow runs them now; training and scoring follow each day",
    ]
    running.from_start.live(DateRange(MONTH.first, WAITING.last), since=HISTORY.first)  # while Airflow works
    wait(lambda: _are_scored(running), 900)
    runs = [run for run in running.airflow.api.runs("crm_ingest") if run["run_type"] == "backfill"]
    waited = [run for run in runs if run["partition_key"] >= str(CHANGE)]
    assert {run["partition_key"] for run in waited} == {str(day) for day in WAITING}
    assert max(_at_once(run, waited) for run in waited) == 4


def _are_scored(running: Running) -> bool:
    """Whether all days that waited are; fails where a run has failed since."""
    running.airflow.processes.check()
    runs = {dag: running.airflow.api.runs(dag) for dag in DAGS}
    assert not [run for of in runs.values() for run in of if run["state"] == "failed" and run["run_type"] != "manual"]
    scored = {run["partition_key"] for run in runs["crm_score"] if run["state"] == "success"}
    return scored >= {str(day) for day in WAITING}


def _at_once(run: dict[str, Any], runs: list[dict[str, Any]]) -> int:
    """How many runs were on when this one began."""
    return sum(each["start_date"] <= run["start_date"] < each["end_date"] for each in runs)


def test_all_is_as_if_the_contract_had_been_there_from_the_start(running: Running) -> None:
    """And as if all days had come in their order."""
    mine, other = running.project.settings, running.from_start.settings
    for query in (BATCHES, MODELS, DIGESTS):
        assert rows(mine, query) == rows(other, query)
    published = [(day, table) for days in (BEFORE, WAITING) for day in days for table in sorted(TABLES)]
    assert [(day, table) for day, table, _, _ in rows(mine, DIGESTS)] == published
    trained = {day for (day,) in rows(mine, "SELECT DISTINCT trained_as_of FROM ops.models")}
    assert trained == {day for day in SUNDAYS if day <= WAITING.last}


def test_cents_are_taken_for_cents(running: Running) -> None:
    """Not only alike in both: as the files say."""
    found = conformed(running.project.settings)
    for day in WAITING:
        said = running.project.amounts(day)
        taken = {(order, line): amount for batch, order, line, _, _, amount in found if str(batch) == str(day)}
        assert len(taken) >= 30
        assert taken == {key: said[key] for key in taken}


def test_the_asset_carries_the_digests_of_the_warehouse(running: Running) -> None:
    api, day = running.airflow.api, WAITING.last
    wait(lambda: not api.get("/dags/~/dagRuns", state="queued")["dag_runs"])  # Airflow fails to list the events of one
    events = api.get("/assets/events", order_by="-timestamp", limit=100)["asset_events"]  # it gives no more at once
    told = [event["extra"] for event in events if (event["extra"] or {}).get("step") == "publish"]
    digests = {table: digest for as_of, table, _, digest in rows(running.project.settings, DIGESTS) if as_of == day}
    assert next(extra["digests"] for extra in told if extra["as_of"] == str(day)) == digests, "the newest"


def test_what_can_pass_is_tried_again_and_who_is_in_charge_is_told(running: Running) -> None:
    api = running.airflow.api
    api.unpause("probes")
    [changed] = [run["dag_run_id"] for run in api.runs("crm_ingest") if run["state"] == "failed"]
    probes, keyless = running.trigger("probes"), running.trigger("crm_score")
    running.project.live(AFTER)  # meanwhile
    running.ends("probes", probes, "failed")
    expected = {"passes": ("success", 2), "stays": ("failed", 1), "is_killed_once": ("success", 2)}
    assert running.tasks("probes", probes) == expected | {"has_packages": ("success", 1)}
    found = api.get(f"/dags/probes/dagRuns/{probes}/taskInstances/has_packages/xcomEntries/return_value")["value"]
    assert found == ["duckdb", "great_expectations", "pandas", "sklearn"], "inherited, not imported"
    running.ends("crm_score", keyless, "failed")
    assert "this run has no partition key" in last_error(api.log("crm_score", keyless, "score"))
    failed = {("run failed", *run) for run in (("crm_ingest", changed), ("probes", probes), ("crm_score", keyless))}
    told = wait(lambda: len(set(_told(running))) > len(failed) and set(_told(running)))
    assert told == failed | {("deadline missed", "probes", probes)}


def _told(running: Running) -> list[tuple[str, str, str]]:
    return [(alert["event"], alert["dag_id"], alert["run_id"]) for _, _, alert in running.alerts]


def test_a_viewer_neither_starts_nor_approves_and_a_rejected_plan_changes_nothing(running: Running) -> None:
    admin, viewer, settings = running.airflow.api, running.user("vic"), running.project.settings
    before = rows(settings, DIGESTS)
    assert {day for day, *_ in before} == set(MONTH), "thirty days"
    running.project.correct()
    run = running.trigger(RESTATE, why="shipping is no revenue")
    asked = running.asked(run, "approve_plan")
    assert asked["subject"] == "Restate r1?"
    for words in (
        "shipping is no revenue", f"published days {MONTH.first} to {MONTH.last}",
        f"batches of orders, {MONTH.first} to {BEFORE.last}, contract 1.0.0 to 1.1.0: amount read otherwise",
        f"batches of orders, {CHANGE} to {MONTH.last}, contract 2.0.0 to 2.1.0: amount read otherwise",
    ):  # fmt: skip
        assert words in asked["body"]
    assert viewer.get(f"/dags/{RESTATE}/dagRuns/{run}")["state"] == "running", "a viewer may look"
    for forbidden in (
        lambda: answer(viewer, run, "approve_plan", "Approve"),
        lambda: viewer.request("POST", f"/dags/{RESTATE}/dagRuns", {"logical_date": None, "conf": {}}),
    ):
        with pytest.raises(AirflowApiError) as caught:
            forbidden()
        assert caught.value.status == 403
    answer(admin, run, "approve_plan", "Reject")
    running.ends(RESTATE, run, "success")
    assert {running.state(run, task) for task in ("restate", "approve_changes", "swap")} == {"skipped"}
    assert rows(settings, DIGESTS) == before


def test_a_correction_that_reaches_back_is_approved_and_swapped_in(running: Running) -> None:
    admin, settings, warehouse = running.airflow.api, running.project.settings, running.warehouse
    before, models, customers = rows(settings, DIGESTS), rows(settings, MODELS), _customers(running.project)
    old = read(settings)
    with reader(warehouse.url, CURRENT, pause=0.5) as seen_all_the_while:
        run = running.trigger(RESTATE, why="shipping is no revenue")
        assert running.asked(run, "approve_plan")["subject"] == "Restate r1?", "the same plan goes on"
        answer(running.user("una"), run, "approve_plan", "Approve")
        asked = running.asked(run, "approve_changes")
        assert "the sum of monetary_value changes by" in asked["body"]
        assert rows(settings, DIGESTS) == before, "beside the live data"
        assert not [customer for customer in customers if customer in asked["body"]]
        with polling(warehouse, READERS) as answers:
            began = time.monotonic()
            answer(admin, run, "approve_changes", "Approve")
            wait(lambda: running.state(run, "swap") in ("success", "failed"), pause=0.5)
            time.sleep(0.3)
            ended = time.monotonic()
        wait(lambda: len(seen_all_the_while) > 1, pause=0.5)
    assert running.state(run, "swap") == "success"
    assert len(seen_all_the_while) == 2, "the days before, then the restated ones"
    check_seen(answers, old, read(settings))
    assert rate(answers, began, ended) >= 100, "polls a second"
    told = [(event.event, event.who) for event in restatement(warehouse, "r1").events]
    assert [each for each in told if each[0] == "approved"] == [("approved", "una"), ("approved", "admin")]
    assert told[-1] == ("swapped", "admin")
    assert rows(settings, VERSIONS) == [
        ("1.0.0", HISTORY.first, HISTORY.last), ("1.1.0", MONTH.first, BEFORE.last), ("2.1.0", CHANGE, MONTH.last),
    ]  # fmt: skip
    assert {day for day, *_ in set(rows(settings, DIGESTS)) - set(before)} == set(MONTH)
    assert {day for _, _, day, *_ in set(rows(settings, MODELS)) - set(models)} == SUNDAYS
    running.digests = before


def test_undone_the_old_digests_are_back(running: Running) -> None:
    from ddcrm.pipeline.restate_swap import undo

    settings = running.project.settings
    restated = read(settings)
    with polling(running.warehouse, READERS) as answers:
        time.sleep(0.3)
        undo(settings, "r1", who="anna", why="it was wrong")
        time.sleep(0.3)
    assert rows(settings, DIGESTS) == running.digests
    check_seen(answers, restated, read(settings))


def _customers(project: Project) -> list[str]:
    found = [customer for (customer,) in rows(project.settings, "SELECT customer_id FROM crm.current_customer_scores")]
    assert len(found) > 500
    return found


def test_with_nothing_to_restate_nobody_is_asked(running: Running) -> None:
    for version in ("1.1.0", "2.1.0"):
        running.project.contract(version).unlink()
    run = running.trigger(RESTATE)
    running.ends(RESTATE, run, "success")
    assert {state for state, _ in running.tasks(RESTATE, run).values()} == {"skipped"}


def test_nothing_is_left_running(running: Running) -> None:
    """The last one: it stops Airflow."""
    leaders = [child.pid for child in running.airflow.processes.children.values()]
    assert len(living(leaders)) > len(leaders)
    running.airflow.processes.stop()
    assert living(leaders) == []
