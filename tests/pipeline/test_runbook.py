"""Every command of docs/restate.md, in the order of the page, in a shop that has lived."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ddcrm.cli import app
from ddcrm.dates import DateRange
from ddcrm.warehouse.embedded import EmbeddedPostgres
from tests.pipeline.lived import AMOUNT, NET_AMOUNT, PUBLISHED, Lived, version
from tests.pipeline.shop import REPOSITORY, Shop
from tests.pipeline.spoils import DAY, cents, deliver, renamed

PAGE = REPOSITORY / "docs/restate.md"
LEFT_OUT = {"ddcrm backfill --from DAY --to DAY --yes": "asks Airflow, which tests/dags does"}
STRICT = "\n[restate]\nmax_value_change = 0.001\nmax_segment_moves = 0.0\n"


def commands(page: str) -> Iterator[str]:
    """The commands for a shell, as they stand: in the text, and in blocks of sh."""
    block = None
    for line in page.splitlines():
        if line.startswith("```"):
            block = line.removeprefix("```") if block is None else None
        elif block is None:
            yield from re.findall(r"`((?:ddcrm|airflow) [^`]+)`", line)
        elif block == "sh":
            yield line.partition(" #")[0].rstrip()


class Morning:
    """A shop whose contract is corrected and whose source changes, and what `ID` stands for."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.id = shop, "r1"

    def run(self, command: str, answer: str = "") -> str:
        names = {"SOURCE": "orders", "DAY": str(DAY), "D": str(PUBLISHED[2]), "ID": self.id}
        words = [str(Path(names.get(word, word)).expanduser()) if word.startswith("~") else names.get(word, word)
                 for word in shlex.split(command)]  # fmt: skip
        result = CliRunner().invoke(app, words[1:], input=answer)
        assert result.exit_code == ENDS_WITH.get(command, 0), f"{command}\n{result.output}"
        return result.output

    def corrected(self) -> None:
        toml = self.shop.folder / "ddcrm.toml"
        toml.write_text(toml.read_text() + STRICT)
        version(self.shop, "1.1.0", PUBLISHED[3], NET_AMOUNT)
        assert "r1 waits" in self.run("ddcrm restate")
        self.run("ddcrm restate approve r1")

    def changed(self) -> None:
        from ddcrm.pipeline.ingest import extract

        deliver(self.shop, renamed("amount", "total_cents", cents))
        extract(self.shop.settings, "orders", DateRange.parse(DAY))

    def corrected_again(self) -> None:
        half = (AMOUNT, f"{AMOUNT}, transformLogic: 'CAST(amount AS DECIMAL(18, 2)) - 2'")
        version(self.shop, "1.1.1", PUBLISHED[3], half)
        assert "r2 waits" in self.run("ddcrm restate")
        self.id = "r2"

    def as_before(self) -> None:
        (self.shop.folder / "contracts/orders/1.1.1.yaml").unlink()
        self.id = "r1"


BEFORE: dict[str, Callable[[Morning], None]] = {  # what has happened when a command stands on the page first
    "ddcrm restate run ID": Morning.corrected,
    "ddcrm contract propose SOURCE --batch DAY": Morning.changed,
    "ddcrm restate drop ID": Morning.corrected_again,
    "ddcrm restate undo ID": Morning.as_before,
}
SAID = {
    "ddcrm train --as-of D": "value",
    "ddcrm restate run ID": "beyond the limits",
    "ddcrm contract propose SOURCE --batch DAY": "amount is called total_cents",
    "ddcrm backfill --from DAY --to DAY": "1 partitions",
    'ddcrm restate --yes --why "ticket 4711" --page ~/comparison.html': "approve it again, or drop it",
    "ddcrm restate show ID --page ~/comparison.html": "the comparison stands in",
    "ddcrm restate approve ID": "r1 is approved",
    "ddcrm restate swap ID": "r1 is swapped in",
    "ddcrm restate drop ID": "r2 is dropped",
    "ddcrm restate undo ID": "r1 is undone",
    "ddcrm restate list": "undone",
    "ddcrm restate show ID": "undone by",
}
ENDS_WITH = {'ddcrm restate --yes --why "ticket 4711" --page ~/comparison.html': 1}  # its comparison waits


@pytest.fixture
def morning(
    lived: Lived, postgres_server: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Morning:
    monkeypatch.setenv("HOME", str(tmp_path))
    with lived.copy(postgres_server, tmp_path / "shop") as shop:
        monkeypatch.chdir(shop.folder)
        yield Morning(shop)


@pytest.mark.slow
def test_every_command_of_the_page_runs(morning: Morning, tmp_path: Path) -> None:
    found = list(commands(PAGE.read_text("utf-8")))
    assert {*BEFORE, *SAID, *LEFT_OUT} <= set(found)
    before = dict(BEFORE)
    for command in found:
        if command in LEFT_OUT:
            continue
        before.pop(command, lambda _: None)(morning)
        said = morning.run(command, answer="y\n")
        assert SAID.get(command, "") in said, f"{command}\n{said}"
    assert (tmp_path / "comparison.html").stat().st_mode & 0o777 == 0o600
