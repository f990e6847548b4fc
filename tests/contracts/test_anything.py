"""Whatever stands in a contract: it is a contract or a ContractError with a line, and nothing else."""
# ruff: noqa: E501 - a row of a table stays a line

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ddcrm.contracts import Contract, load_contract
from ddcrm.errors import ContractError
from tests.contracts.conftest import CONTRACTS
from tests.contracts.test_servers import API, SECRET, SQL, option, with_server

Steps = tuple[str | int, ...]

BASES = [
    yaml.safe_load(text)
    for text in (
        with_server(SQL, SECRET, option("sql.cursorColumn", "OrderTS")),
        with_server(
            API, option("http.paginator", "{type: offset, limit: 5}"), option("http.auth", "{type: bearer, secret: a}")
        ),
        (CONTRACTS / "orders" / "2.0.0.yaml").read_text(),
    )
]
BASES[2]["customProperties"] += [
    {"property": "ddcrm.exclude", "value": [{"name": "a", "where": "amount = 0", "reason": "r"}]},
    {"property": "ddcrm.volume", "value": {"tolerance": 0.5, "weeks": 4, "severity": "info"}},
    {"property": "ddcrm.nullValues", "value": ["", "NA"]},
]
WORDS = [
    "",
    " ",
    "a",
    "orders",
    "ordered_at",
    "true",
    "1",
    "1.0.0",
    "{batch_date}",
    "{",
    "%",
    "'",
    "ddcrm.entity",
    "Europe/Berlin",
    "\u2028",
]
VALUES = st.recursive(
    st.sampled_from(WORDS) | st.none() | st.booleans() | st.integers(-2, 2**70) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=2),
    max_leaves=3,
)  # fmt: skip


def places(value: Any, above: Steps = ()) -> list[Steps]:
    """The paths of everything in a document."""
    steps = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [path for step in steps for path in ((*above, step), *places(value[step], (*above, step)))]


def with_value(document: Any, path: Steps, value: Any) -> Any:
    """A copy of the document with another value at the path."""
    changed = copy.deepcopy(document)
    holder = changed
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return changed


def outcome(file: Path) -> Contract | ContractError:
    """The contract, or the error that refuses it; any other error goes on."""
    try:
        return load_contract(file)
    except ContractError as error:
        return error


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("contracts") / "orders" / "2.0.0.yaml"
    place.parent.mkdir()
    return place


@given(st.data())
@settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_value_anywhere_is_read_or_refused(file: Path, data: st.DataObject) -> None:
    base = data.draw(st.sampled_from(BASES))
    changed = with_value(base, data.draw(st.sampled_from(places(base))), data.draw(VALUES))
    file.write_text(yaml.safe_dump(changed, allow_unicode=False), "utf-8")
    result = outcome(file)
    if isinstance(result, ContractError):
        assert result.message
        assert result.file == str(file)
        assert 1 <= result.line <= len(file.read_text("utf-8").splitlines())


@given(st.data())
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_to_the_text_is_read_or_refused(file: Path, data: st.DataObject) -> None:
    text = (CONTRACTS / "orders" / "2.0.0.yaml").read_bytes()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 20)))
    file.write_bytes(text[:start] + data.draw(st.binary(max_size=4)) + text[end:])
    result = outcome(file)
    assert isinstance(result, Contract) or result.file == str(file)
