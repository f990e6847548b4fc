"""Reading the YAML: what can't be read says where, and nothing is read as something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from ddcrm.contracts import load_contract
from ddcrm.contracts.document import Document, parse
from ddcrm.errors import ContractError
from tests.contracts.conftest import EXAMPLE, Load, Refuse, changed, line_of


def document(text: str) -> Document:
    return parse(text, Path("orders/1.0.0.yaml"))


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="can't be read: No such file") as caught:
        load_contract(tmp_path / "orders" / "1.0.0.yaml")
    assert caught.value.file.endswith("orders/1.0.0.yaml")


def test_wrong_encoding_names_the_line(refuse: Refuse) -> None:
    text = changed("name: shop orders", "name: Bestellungen für alle")
    error = refuse(text.encode("latin-1"))
    assert "not UTF-8" in str(error)
    assert error.line == line_of("für", text)


def test_byte_order_mark_is_no_part_of_the_contract(load: Load) -> None:
    assert load(b"\xef\xbb\xbf" + EXAMPLE.encode()) == load(EXAMPLE)


def test_broken_yaml_names_the_line(refuse: Refuse) -> None:
    text = changed("status: active", "status: [active")
    error = refuse(text)
    assert "not valid YAML" in str(error)
    assert abs(error.line - line_of("status: [active", text)) <= 1


def test_tab_is_explained(refuse: Refuse) -> None:
    error = refuse(changed("    physicalName: orders\n", "\tphysicalName: orders\n"))
    assert "never with tabs" in str(error)


def test_nul_byte_is_refused_with_its_line(refuse: Refuse) -> None:
    text = changed("domain: crm", "domain: c\0rm")
    assert refuse(text).line == line_of("domain", text)


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_empty_file_is_refused(refuse: Refuse, text: str) -> None:
    assert "the contract is empty" in str(refuse(text))


def test_list_is_refused(refuse: Refuse) -> None:
    assert "not a mapping" in str(refuse("- a\n- b\n"))


def test_two_documents_are_refused(refuse: Refuse) -> None:
    assert "single document" in str(refuse(EXAMPLE + "\n---\na: 1\n"))


def test_key_that_stands_twice_names_both_lines(refuse: Refuse) -> None:
    text = changed("domain: crm\n", "domain: crm\nstatus: draft\n")
    error = refuse(text)
    first, second = line_of("status: active", text), line_of("status: draft", text)
    assert f"'status' stands twice: in line {first} and in line {second}" in str(error)
    assert error.line == second


def test_key_twice_deep_inside_is_found(refuse: Refuse) -> None:
    error = refuse(changed("{name: channel, ", "{name: channel, name: channel, "))
    assert "'name' stands twice" in str(error)


def test_key_that_is_no_text_is_refused(refuse: Refuse) -> None:
    assert "a key is not text" in str(refuse(changed("domain: crm", "1: crm")))


def test_alias_inside_itself_is_refused(refuse: Refuse) -> None:
    assert "an alias stands inside what it names" in str(refuse("a: &a [1, *a]\n"))


def test_anchors_and_merge_keys_work() -> None:
    content = document("base: &b {x: 1, y: 2}\nother: {<<: *b, y: 3}\nsame: *b\n").content
    assert content == {"base": {"x": 1, "y": 2}, "other": {"x": 1, "y": 3}, "same": {"x": 1, "y": 2}}


@pytest.mark.parametrize(
    ("written", "value"),
    [("no", "no"), ("on", "on"), ("NO", "NO"), ("12:30:00", "12:30:00"), ("2026-01-15", "2026-01-15"), ("007", "007"),
     ("1_000", "1_000"), ("0x1F", "0x1F"), ("true", True), ("False", False), ("~", None), ("", None), ("12", 12),
     ("-3", -3), ("0.02", 0.02), ("1e3", 1000.0), (".5", 0.5), ("1.0.0", "1.0.0"), (".", "."), ("-x", "-x"),
     ("'12'", "12")],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(written: str, value: object) -> None:
    found = document(f"a: {written}\n").content["a"]
    assert found == value
    assert type(found) is type(value)


def test_lines_are_those_of_keys_and_items() -> None:
    found = document("a: 1\nb:\n  - x: 1\n  -\n    x: 2\n    y: 3\n")
    assert [found.line(path) for path in [("a",), ("b",), ("b", 0, "x"), ("b", 1, "y")]] == [1, 2, 3, 6]
    assert found.line(("b", 1, "absent")) == 5  # the nearest that there is


def test_fingerprint_is_that_of_the_content(load: Load) -> None:
    original = load(EXAMPLE).fingerprint
    assert len(original) == 64
    moved = changed("status: active\n", "", changed("kind: DataContract\n", "kind: DataContract\nstatus:   'active'\n"))
    assert load("# a remark\n" + moved).fingerprint == original
    assert load(changed("value: 0.02", "value: 0.03")).fingerprint != original
