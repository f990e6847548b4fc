"""Edits of a contract's text: what was asked for changes, every other byte stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ddcrm.contracts.document import parse
from ddcrm.contracts.draft import Draft, written
from ddcrm.contracts.load import load_text
from tests.contracts.conftest import EXAMPLE

FILE = Path("contracts/orders/2.0.0.yaml")
SMALL = """# head
a: 1  # one
block:
  - name: x
    inner:
      format: f
  # between
  - {name: y, list: [p, q]}   # y

  - name: z
    text: |
      long
end: {k: v, format: f}
"""


def draft(text: str = SMALL) -> Draft:
    return Draft(text, FILE)


@pytest.mark.parametrize(
    ("path", "value", "old", "new"),
    [
        (("a",), 2, "a: 1  # one", "a: 2  # one"),
        (("block", 1, "name"), "it's", "{name: y,", "{name: 'it''s',"),
        (("block", 1, "more"), True, "[p, q]}   # y", "[p, q], more: true}   # y"),
        (("block", 0, "inner", "format"), "dd.MM.yyyy", "format: f\n  # b", "format: dd.MM.yyyy\n  # b"),
        (("block", 0, "more"), "t", "      format: f\n  # b", "      format: f\n    more: t\n  # b"),
        (("block", 0, "inner", "more"), 1, "      format: f\n  # b", "      format: f\n      more: 1\n  # b"),
        (("block", 2, "more"), 1, "      long\n", "      long\n    more: 1\n"),
        (("block", 0, "new", "format"), "f", "      format: f\n  # b", "      format: f\n    new: {format: f}\n  # b"),
        (("end", "k"), "w", "{k: v", "{k: w"),
    ],
)
def test_a_value(path: tuple[str | int, ...], value: Any, old: str, new: str) -> None:
    changed = draft().with_value(path, value)
    assert changed.text == SMALL.replace(old, new)
    assert SMALL.count(old) == 1
    assert changed.value(path) == value


def test_items() -> None:
    assert draft().with_item(("block", 1, "list"), "r").text == SMALL.replace("[p, q]", "[p, q, r]")
    added = draft().with_item(("block",), {"name": "n"})
    assert added.text == SMALL.replace("      long\n", "      long\n  - {name: n}\n")


def test_keys_go_and_empty_mappings_with_them() -> None:
    assert draft().without(("block", 0, "inner", "format")).text == SMALL.replace("    inner:\n      format: f\n", "")
    assert draft().without(("end", "format")).text == SMALL.replace(", format: f", "")
    assert draft().without(("end", "k")).text == SMALL.replace("k: v, ", "")
    assert draft().without(("a",)).text == SMALL.replace("a: 1  # one\n", "")


def test_comments() -> None:
    assert draft().commented(("block", 1), ["why"]).text == SMALL.replace("  - {name: y", "  # why\n  - {name: y")
    assert draft().appended_comment(("block",), ["- z"]).text == SMALL.replace("long\n", "long\n  # - z\n")
    out = draft().commented_out(("block", 0)).text
    assert out == SMALL.replace(
        "  - name: x\n    inner:\n      format: f", "  # - name: x\n  #   inner:\n  #     format: f"
    )
    last = Draft("block:\n  - a", FILE).appended_comment(("block",), ["b"])
    assert last.text == "block:\n  - a\n  # b\n"


@pytest.mark.parametrize("value", ["yes", "no", "1.5", "2026-01-01", "a: b", "a, b", "#", " x ", "", "it's", "2.0.0",
                                   "CAST(a AS DECIMAL(18, 2)) / 100", "-", "{a}", "ü", True, 7, 1.5, None,
                                   {"a": ["b", {"c": "d e"}]}])  # fmt: skip
def test_what_is_written_reads_as_the_same(value: Any) -> None:
    assert parse(f"k: {written(value)}\nf: {{k: {written(value)}}}", FILE).content == {"k": value, "f": {"k": value}}


def test_a_real_contract_changes_where_it_is_told() -> None:
    names = [each["name"] for each in yaml.safe_load(EXAMPLE)["schema"][0]["properties"]]
    path = ("schema", 0, "properties", names.index("channel"))
    changed = Draft(EXAMPLE, FILE).with_value((*path, "physicalName"), "way").commented(path, ["renamed"])
    assert load_text(changed.text, FILE).column("channel").source_name == "way"
    gone = set(EXAMPLE.splitlines()) - set(changed.text.splitlines())
    assert len(gone) == 1


REPOSITORY = Path(__file__).parents[2]
CONTRACTS = sorted([*REPOSITORY.glob("contracts/*/*.yaml"), *REPOSITORY.glob("examples/*/contracts/*/*.yaml")])


@pytest.mark.parametrize("file", CONTRACTS, ids=lambda file: "-".join(file.parts[-4:-1]))
def test_every_property_of_every_contract_can_be_edited(file: Path) -> None:
    """What an edit gives reads as the same document with this one thing changed."""
    start = Draft(file.read_text("utf-8"), file)
    path: tuple[str | int, ...] = ("schema", 0, "properties")
    for place in range(len(start.value(path))):
        for key, value in (("physicalName", "a, b"), ("new", {"k": ["v"]}), ("enum", [{"value": "it's"}])):
            wanted = parse(start.text, file).content
            wanted["schema"][0]["properties"][place][key] = value
            edited = start.with_value((*path, place, key), value).commented((*path, place), ["why: this"])
            assert parse(edited.text, file).content == wanted
        wanted = parse(start.text, file).content
        del wanted["schema"][0]["properties"][place]
        assert parse(start.commented_out((*path, place)).text, file).content == wanted
    assert parse(start.appended_comment(path, ["- {a: b}"]).text, file).content == parse(start.text, file).content


def test_windows_line_ends_stay(tmp_path: Path) -> None:
    text = EXAMPLE.replace("\n", "\r\n")
    changed = Draft(text, FILE).with_value(("version",), "3.0.0").text
    assert changed == text.replace("version: 2.0.0\r\n", "version: 3.0.0\r\n")
