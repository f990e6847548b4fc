"""What reading contracts costs: a DAG file reads them each time it is parsed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from ddcrm.contracts import load_contract, load_contracts
from tests.contracts.conftest import CONTRACTS, changed

HEAVY = (
    "pandas",
    "pyarrow",
    "sqlalchemy",
    "dlt",
    "ibis",
    "great_expectations",
    "pydantic",
    "open_data_contract_standard.model",
)


def loaded_after(code: str) -> set[str]:
    """The modules that a fresh interpreter has after running the code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_the_package_imports_nothing_heavy() -> None:
    names = loaded_after("import ddcrm.contracts")
    assert not names & {*HEAVY, "yaml", "jsonschema", "jsonschema_rs", "sqlglot", "duckdb"}


def test_loading_imports_only_what_it_needs() -> None:
    names = loaded_after(f"from ddcrm.contracts import load_contracts; load_contracts({str(CONTRACTS)!r})")
    assert {"yaml", "jsonschema_rs"} <= names
    assert not names & {*HEAVY, "jsonschema"}, "which says what is wrong, where something is"


def test_contract_without_sql_needs_no_engine(tmp_path: Path) -> None:
    file = tmp_path / "orders" / "1.0.0.yaml"
    file.parent.mkdir()
    file.write_bytes((CONTRACTS / "orders" / "1.0.0.yaml").read_bytes())
    names = loaded_after(f"from ddcrm.contracts import load_contract; load_contract({str(file)!r})")
    assert not names & {"sqlglot", "duckdb"}


def test_ten_contracts_load_in_a_second(tmp_path: Path) -> None:
    for number in range(10):
        file = tmp_path / f"shop{number}" / "2.0.0.yaml"
        file.parent.mkdir()
        file.write_text(changed("id: ddcrm.orders", f"id: ddcrm.shop{number}"))
    load_contract(file)  # the imports are paid once a process
    began = time.process_time()
    assert len(load_contracts(tmp_path).sources) == 10
    assert time.process_time() - began < 1.0
