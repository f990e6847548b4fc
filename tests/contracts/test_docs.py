"""docs/contracts.md: its example loads, and it names everything that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ddcrm.contracts.custom import KNOWN, PREFIX
from ddcrm.contracts.entities import ENTITIES
from ddcrm.contracts.formats import to_strptime
from ddcrm.contracts.web import PAGINATORS
from tests.contracts.conftest import Load

DOCS = Path(__file__).parents[2] / "docs" / "contracts.md"
TEXT = DOCS.read_text("utf-8")
BASE = """
apiVersion: v3.1.0
kind: DataContract
id: base
version: 2.0.0
status: active
servers: [{server: files, type: local, path: a.csv, format: csv}]
schema:
  - name: orders
    properties:
      - {name: order_id, logicalType: string, transformLogic: "_source || _line", primaryKey: true}
      - {name: customer_key, logicalType: string, transformLogic: "'C1'"}
      - {name: ordered_at, logicalType: timestamp, transformLogic: "TIMESTAMP '2026-01-01'"}
      - {name: amount, logicalType: number, transformLogic: "1.00"}
customProperties:
  - {property: ddcrm.entity, value: orders}
  - {property: ddcrm.effectiveFrom, value: '2026-01-01'}
"""
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)


def test_example_is_a_contract(load: Load) -> None:
    contract = load(BLOCKS[0], name="1.0.0.yaml")
    assert contract.column("basket").type == "string"
    assert contract.key == ("order_id", "line_no")


@pytest.mark.parametrize("block", BLOCKS[1:], ids=lambda block: block.split("\n")[0])
def test_fragments_are_sound(load: Load, block: str) -> None:
    document, content = yaml.safe_load(BASE), yaml.safe_load(block)
    if isinstance(content, list):  # properties
        names = {entry["name"] for entry in content}
        properties = document["schema"][0]["properties"]
        properties[:] = [entry for entry in properties if entry["name"] not in names] + content
    else:
        document["servers"] = content.get("servers", document["servers"])
        document["customProperties"] += content.get("customProperties", [])
    if "sourceColumns" not in block:
        columns = ["Quantity", "UnitPrice", "customer", "date", "items", "dollars", "updated_at"]
        used = [name for name in columns if re.search(rf"\b{name}\b", block)]
        document["customProperties"].append({"property": "ddcrm.sourceColumns", "value": used})
    assert load(yaml.safe_dump(document)).source == "orders"


def test_every_custom_property_is_documented() -> None:
    documented = set(re.findall(r"`(ddcrm\.[A-Za-z.]+)`", TEXT)) - {"ddcrm.toml"}
    assert documented == {PREFIX + name for names in KNOWN.values() for name in names}


def test_every_entity_is_documented_with_its_columns() -> None:
    rows = re.findall(r"^\| (\w+) \| ([\w, ]+) \| ([\w, ]*) ?\| ([\w, ]+) \|$", TEXT, flags=re.MULTILINE)
    found = {name: (key.split(", "), required, further) for name, key, required, further in rows if name in ENTITIES}
    assert set(found) == set(ENTITIES)
    for name, (key, required, further) in found.items():
        entity = ENTITIES[name]
        needed = [column for column in required.strip().split(", ") if column]
        assert tuple(key) == entity.key
        assert set(needed) | (set(key) & set(entity.required)) == set(entity.required)
        assert {*key, *needed, *further.split(", ")} == set(entity.columns)


def test_every_paginator_is_documented() -> None:
    row = next(line for line in TEXT.splitlines() if line.startswith("| `ddcrm.http.paginator`"))
    assert set(re.findall(r"`(\w+)`", row)) - {"type", "rest_api"} == set(PAGINATORS)


def test_documented_letters_are_known() -> None:
    table = TEXT[TEXT.index("| letters |") : TEXT.index("Single letters read")]
    letters = {word for line in table.splitlines()[2:] for word in re.findall(r"`([A-Za-z]+)`", line)} - {"YYYY"}
    assert len(letters) > 25
    for word in letters:
        assert to_strptime(word)
