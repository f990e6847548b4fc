"""The command line as a person and a program use it: what it prints, and its exit codes."""

from __future__ import annotations

import json
import re
import resource
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ddcrm import __version__
from ddcrm.cli import app
from ddcrm.warehouse.connect import Warehouse
from ddcrm.warehouse.ledger import Ledger
from ddcrm.warehouse.tables import PUBLISHED
from tests.pipeline.lived import SCHEMES, segments
from tests.pipeline.shop import Shop

runner = CliRunner()


@pytest.fixture
def shop(tmp_path: Path, warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("DDCRM_WAREHOUSE_URL", warehouse_url)
    return Shop(tmp_path / "shop").make()


@pytest.fixture(scope="module")
def run_once(tmp_path_factory: pytest.TempPathFactory, module_warehouse_url: str) -> tuple[Shop, dict[str, Any]]:
    """A shop with days that `run` has published, and what it said."""
    shop = Shop(tmp_path_factory.mktemp("published") / "shop").make()
    segments(shop, SCHEMES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DDCRM_WAREHOUSE_URL", module_warehouse_url)
        code, said = document(shop, "run", "--from", "2026-01-01", "--to", "2026-01-04")
    assert code == 0
    return shop, said


@pytest.fixture
def published(
    run_once: tuple[Shop, dict[str, Any]], module_warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> Shop:
    """That shop, with its warehouse: what is written must be written into a copy of its folder."""
    monkeypatch.setenv("DDCRM_WAREHOUSE_URL", module_warehouse_url)
    return run_once[0]


def run(shop: Shop, *words: str) -> tuple[int, str]:
    result = runner.invoke(app, ["--project", str(shop.folder), *words])
    return result.exit_code, result.output


def document(shop: Shop, *words: str) -> tuple[int, dict[str, Any]]:
    code, text = run(shop, *words, "--json")
    return code, json.loads(text)


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    heavy = "('pandas', 'duckdb', 'sklearn', 'ibis', 'sqlalchemy', 'pyarrow')"
    code = f"import sys, ddcrm.cli; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([Path(sys.executable).with_name("ddcrm"), "--help"], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1, "seconds of processor"


def test_the_version() -> None:
    result = runner.invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"{__version__}\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--change-on", "2026-06-15"), "Say --serve, too"),
        (("--serve", "--change-on", "2027-01-01"), "has no day 2027-01-01"),
    ],
)
def test_a_demo_that_can_not_change_says_so(shop: Shop, words: tuple[str, ...], said: str) -> None:
    code, text = run(shop, "demo", *words)
    assert (code, said in text) == (1, True), text


@pytest.mark.parametrize("words", [(), ("contract",), ("warehouse",)])
def test_the_list_of_commands_is_cut_nowhere(words: tuple[str, ...]) -> None:
    result = runner.invoke(app, [*words, "--help"], terminal_width=80)
    listed = result.output.split("Commands:\n")[1].splitlines()
    assert listed
    assert [line for line in listed if line.endswith("...")] == []


def test_a_run_that_is_running_is_one_line_without_fractions_of_a_second(shop: Shop, warehouse: Warehouse) -> None:
    with Ledger(warehouse).run("score", as_of=date(2026, 1, 3)):
        said = run(shop, "status")[1]
    assert re.search(
        r"^running    score 2026-01-03 since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d[+]\d{4}$", said, re.MULTILINE
    ), said


def test_run_publishes_and_says_so(run_once: tuple[Shop, dict[str, Any]], published: Shop) -> None:
    shop, said = run_once
    assert said["ok"]
    assert [day["as_of"] for day in said["published"]] == [f"2026-01-{day:02}" for day in range(1, 5)]
    assert said["ingested"][0]["landed"] == sum(len(rows) for day, rows in shop.rows.items() if str(day) < "2026-01-05")
    code, status = document(published, "status")
    assert (code, status["current_day"]) == (0, "2026-01-04")
    assert {table["table"] for table in status["publications"]} == {table.name for table in PUBLISHED}
    code, text = run(published, "status")
    assert "published  2026-01-04" in text


def test_an_error_is_one_message_and_exit_code_1(shop: Shop) -> None:
    shop.file(next(iter(shop.rows))).unlink()
    code, text = run(shop, "ingest", "--date", "2026-01-01")
    assert code == 1
    assert text.startswith("error: the file is not there (source orders, partition 2026-01-01")
    assert "Traceback" not in text
    code, said = document(shop, "ingest", "--date", "2026-01-01")
    assert (code, said["ok"], said["errors"][0]["error"]) == (1, False, "MissingDataError")


def test_run_scores_nothing_if_a_source_failed(shop: Shop) -> None:
    shop.file(next(iter(shop.rows))).unlink()
    code, said = document(shop, "run", "--from", "2026-01-01", "--to", "2026-01-05")
    assert code == 1
    assert "published" not in said
    assert "mend what is said above of orders, and" in run(shop, "run", "--from", "2026-01-01", "--to", "2026-01-05")[1]


def test_days_before_a_source_begins_are_left_out_and_said(shop: Shop) -> None:
    file = shop.folder / "contracts/orders/1.0.0.yaml"
    file.write_text(re.sub("(effectiveFrom, value: ).*}", r"\g<1>2026-01-03}", file.read_text()))
    code, said = document(shop, "ingest", "--from", "2026-01-01", "--to", "2026-01-05")
    assert (code, said["ingested"][0]["dates"]) == (0, "2026-01-03..2026-01-05")
    assert said["left_out"] == [{"source": "orders", "dates": "2026-01-01..2026-01-02",
                                 "reason": "no version of the contract reads them"}]  # fmt: skip
    assert document(shop, "ingest", "--from", "2026-01-01", "--to", "2026-01-02")[0] == 0
    code, said = document(shop, "ingest", "orders", "--from", "2026-01-01", "--to", "2026-01-02")
    assert code == 1
    assert "The first one, 1.0.0, reads from 2026-01-03 on" in str(said)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("ingest",), "which days? Give --date DAY"),
        (("ingest", "--date", "5.1.2026"), "is not a day"),
        (("ingest", "--from", "2026-01-05", "--to", "2026-01-01"), "ends before it begins"),
        (("ingest", "nothing", "--date", "2026-01-05"), "there is no source 'nothing'. Known are orders."),
        (("ingest", "oders", "--date", "2026-01-05"), "there is no source 'oders'. Did you mean 'orders'?"),
        (("ingest", "--date", "2026-01-05", "--from", "2026-01-01"), "--date and --from or --to exclude each other."),
        (("score", "--as-of", "2026-01-05"), "ddcrm ingest"),
        (("train", "--as-of", "2026-01-05"), "orders"),
    ],
)
def test_refusals_say_what_to_do(shop: Shop, words: tuple[str, ...], message: str) -> None:
    code, text = run(shop, *words)
    assert code == 1
    assert message in text


def test_no_project(tmp_path: Path) -> None:
    result = runner.invoke(app, ["--project", str(tmp_path), "status"])
    assert result.exit_code == 1
    assert "there is no ddcrm.toml" in result.output
    result = runner.invoke(app, ["--project", str(tmp_path / "nowhere"), "status"])
    assert f"there is no folder {tmp_path / 'nowhere'}. Correct --project" in result.output


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("[engin]\nthreads = 2\n", "there is no setting 'engin' (file {file}). Did you mean 'engine'?"),
        ("[value]\nmargn = 1\n", "there is no setting 'value.margn' (file {file}). Did you mean 'margin'?"),
        (
            "[segments.usage]\nq = 1\n",
            "there is no setting 'segments.usage.q' (file {file}). Known are days, heavy, medium.",
        ),
        (
            "[sources.orders]\nlocaton = 'x'\n",
            "no setting 'sources.orders.locaton' (file {file}). Did you mean 'location'?",
        ),
    ],
)
def test_a_setting_that_is_not_known(shop: Shop, added: str, message: str) -> None:
    file = shop.folder / "ddcrm.toml"
    file.write_text(file.read_text() + added)
    code, text = run(shop, "status")
    assert (code, message.format(file=file) in text) == (1, True), text


def test_a_day_that_was_not_ingested_is_not_scored(published: Shop) -> None:
    code, text = run(published, "score", "--as-of", "2026-01-05")
    assert code == 1
    assert "ddcrm ingest orders --date 2026-01-05" in text
    assert document(published, "status")[1]["current_day"] == "2026-01-04"


def test_contract_check(shop: Shop) -> None:
    code, text = run(shop, "contract", "check")
    assert code == 0
    assert "orders 1.0.0: orders, 6 columns, corrections, from 2026-01-01, suite orders: valid" in text
    contract = shop.folder / "contracts/orders/1.0.0.yaml"
    contract.write_text(contract.read_text().replace("entity, value: orders", "entity, value: ordres"))
    code, text = run(shop, "contract", "check")
    assert code == 1
    assert "ordres" in text


def test_contract_diff(shop: Shop) -> None:
    first = shop.folder / "contracts/orders/1.0.0.yaml"
    text = first.read_text().replace("version: 1.0.0", "version: 2.0.0").replace("'2026-01-01'", "'2026-02-01'")
    (shop.folder / "contracts/orders/2.0.0.yaml").write_text(
        text.replace("physicalName: status", "physicalName: state")
    )
    code, said = run(shop, "contract", "diff", "orders", "1.0.0", "2.0.0")
    assert code == 0
    assert "breaking: status is read from state, was from status" in said
    code, told = document(shop, "contract", "diff", "orders", "1.0.0", "2.0.0")
    assert (code, told["class"]) == (0, "breaking")
    assert [(change["kind"], change["column"], change["after"]) for change in told["changes"]] == [
        ("source_column_changed", "status", "state")
    ]  # fmt: skip
    code, said = run(shop, "contract", "diff", "orders", "1.0.0", "3.0.0")
    assert (code, "There are 1.0.0, 2.0.0" in said) == (1, True)


def test_contract_propose(shop: Shop) -> None:
    assert run(shop, "ingest", "--from", "2026-01-01", "--to", "2026-01-09")[0] == 0
    code, said = run(shop, "contract", "propose", "orders", "--batch", "2026-01-09")
    assert (code, "there is nothing to propose" in said) == (0, True)
    day = shop.file(date(2026, 1, 10))
    day.write_text(day.read_text().replace("status", "order_state", 1))
    code, said = run(shop, "ingest", "orders", "--date", "2026-01-10")
    assert (code, "status may now be order_state" in said) == (1, True)
    code, told = document(shop, "contract", "propose", "orders", "--batch", "2026-01-10", "--active")
    assert (code, told["version"], told["decided"]) == (0, "2.0.0", ["status is called order_state"])
    assert Path(told["file"]) == shop.folder / "contracts/orders/2.0.0.yaml"
    assert run(shop, "ingest", "orders", "--date", "2026-01-10")[0] == 0
    other = shop.folder / "another.yaml"
    arguments = ("--batch", "2026-01-09", "--version", "3.0.0", "--out", str(other))
    code, said = run(shop, "contract", "propose", "orders", *arguments)
    assert (code, other.exists()) == (0, False)


def test_warehouse(shop: Shop) -> None:
    code, said = document(shop, "warehouse", "upgrade")
    assert (code, bool(said["revision"])) == (0, True)
    code, text = run(shop, "warehouse", "url")
    assert code == 0
    assert text.startswith("postgresql://")


def test_a_suite_whose_column_is_not_there_is_found_before_a_batch_comes(shop: Shop) -> None:
    suite = shop.folder / "expectations/orders.json"
    suite.write_text(suite.read_text().replace('"column": "amount"', '"column": "amuont"'))
    code, text = run(shop, "contract", "check")
    assert code == 1
    assert "amuont" in text
    assert "Did you mean 'amount'?" in text
    code, said = document(shop, "doctor")
    assert (code, [check["check"] for check in said["checks"] if not check["ok"]]) == (1, ["suites"])


def test_an_unexpected_error_has_no_traceback_without_debug(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by hand")

    monkeypatch.setattr("ddcrm.cli.commands.status", broken)
    code, text = run(shop, "status")
    assert code == 1
    assert "an unexpected ZeroDivisionError: by hand" in text
    result = runner.invoke(app, ["--project", str(shop.folder), "--debug", "status"])
    assert isinstance(result.exception, ZeroDivisionError)


@pytest.mark.slow
def test_run_over_a_gap_says_so(shop: Shop) -> None:
    segments(shop, SCHEMES)
    assert run(shop, "ingest", "--date", "2026-01-01")[0] == 0
    code, said = document(shop, "run", "--from", "2026-01-04", "--to", "2026-01-04")
    assert (code, [day["as_of"] for day in said["published"]]) == (0, ["2026-01-04"])
    [warning] = said["warnings"]
    assert "orders 2026-01-02 and 1 more up to 2026-01-03" in warning["message"]


def test_plan_of_nothing_and_of_a_new_version(published: Shop, tmp_path: Path) -> None:
    shop = Shop(Path(shutil.copytree(published.folder, tmp_path / "shop")))
    code, said = document(shop, "plan")
    assert (code, said["nothing_to_do"], said["plan"]["days"]) == (0, True, {})
    assert "nothing to restate" in run(shop, "plan")[1]
    first = shop.folder / "contracts/orders/1.0.0.yaml"
    net = "physicalName: amount, transformLogic: 'CAST(amount AS DECIMAL(18,2)) - 1'"
    text = first.read_text().replace("physicalName: amount", net).replace("1.0.0", "1.1.0")
    (first.parent / "1.1.0.yaml").write_text(text.replace("'2026-01-01'", "'2026-01-03'"))
    code, said = document(shop, "plan")
    assert (code, said["nothing_to_do"], list(said["plan"]["days"])) == (0, False, ["2026-01-03", "2026-01-04"])
    assert said["plan"]["batches"][0]["contract"] == {"from": "1.0.0", "to": "1.1.0"}
    code, text = run(shop, "plan", "--from", "2026-01-04", "--to", "2026-01-04")
    assert "batches    orders 2026-01-04, contract 1.0.0 -> 1.1.0: amount read otherwise" in text
    assert "days       2026-01-04: 1 batches of orders are restated, from 2026-01-04 on" in text
    assert "not touched: 3 batches of orders: they are not in the range asked for" in text
