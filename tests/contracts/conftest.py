"""A contract to change, and the ways to load what became of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ddcrm.contracts import Contract, load_contract
from ddcrm.errors import ContractError

CONTRACTS = Path(__file__).parent / "contracts"
EXAMPLE = (CONTRACTS / "orders" / "2.0.0.yaml").read_text("utf-8")

Load = Callable[..., Contract]
Refuse = Callable[..., ContractError]


def changed(old: str, new: str, text: str = EXAMPLE) -> str:
    """The text with one thing changed; what is to be changed must be there exactly once."""
    assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
    return text.replace(old, new)


def line_of(marker: str, text: str) -> int:
    """The number of the one line that holds the marker."""
    lines = [number for number, line in enumerate(text.splitlines(), 1) if marker in line]
    assert len(lines) == 1, f"{marker!r} is in the lines {lines}"
    return lines[0]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Write a contract's text as contracts/<source>/<name> and load it."""

    def write(text: str | bytes, source: str = "orders", name: str = "2.0.0.yaml") -> Contract:
        file = tmp_path / "contracts" / source / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return load_contract(file)

    return write


@pytest.fixture
def refuse(load: Load) -> Refuse:
    """Load what must be refused; gives the error."""

    def attempt(text: str | bytes, **where: str) -> ContractError:
        with pytest.raises(ContractError) as caught:
            load(text, **where)
        error = caught.value
        assert str(error.file).endswith(f"{where.get('source', 'orders')}/{where.get('name', '2.0.0.yaml')}")
        return error

    return attempt
