"""Fingerprints cover all code and all libraries that decide numbers: no import of theirs is left undecided."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import ddcrm
from ddcrm.training.fingerprint import LIBRARIES, MODEL_CODE, SCORE_CODE, code_digest

ROOT = Path(ddcrm.__file__).parent
DECIDE_NO_NUMBER = {
    "atomic.py": "how files are written",
    "contracts/__init__.py": "what it says is in what made batches, trainings and days",
    "contracts/entities.py": "names and types of columns, held by tests",
    "contracts/model.py": "data classes",
    "errors.py": "words",
    "lake/casts.py": "conforming has a version of its own; of it the as-of view takes the names of types",
    "lake/engine.py": "how queries run",
    "lake/layout.py": "where tables are",
    "pipeline/basis.py": "what made a day",
    "pipeline/record.py": "the ledger",
    "pipeline/restate_finish.py": "finishes swaps that were killed",
    "pipeline/suites.py": "whether a day may be published",
    "pipeline/train.py": "of it scoring takes where the registry is",
    "progress.py": "what is told meanwhile",
    "quality/check.py": "whether a day may be published",
    "quality/gate.py": "whether a day may be published",
    "settings.py": "those that count are in what made trainings and days",
    "training/fingerprint.py": "digests",
    "training/registry.py": "how models are kept",
    "warehouse/digest.py": "digests",
    "warehouse/publish.py": "how days are loaded",
    "warehouse/records.py": "data classes",
    "warehouse/stored.py": "how days are loaded",
}
NO_NUMBERS = {"threadpoolctl"}


def fingerprinted(code: tuple[str, ...]) -> list[Path]:
    return [
        file for part in code for file in ([ROOT / part] if (ROOT / part).is_file() else (ROOT / part).rglob("*.py"))
    ]


def imported(file: Path) -> Iterator[str]:
    """Modules that a file imports, those within functions too; not those for types alone."""
    tree = ast.parse(file.read_text("utf-8"))
    blocks = [
        node.body for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
    ]
    for_types = {id(node) for block in blocks for top in block for node in ast.walk(top)}
    for node in ast.walk(tree):
        if id(node) not in for_types and isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if id(node) not in for_types and isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_file(name: str) -> Path:
    """The file of ddcrm that an import reads: a module, a package, or the module that has the name."""
    parts = name.split(".")[1:]
    places = [ROOT.joinpath(*parts).with_suffix(".py"), ROOT.joinpath(*parts) / "__init__.py"]
    return next((place for place in places if place.is_file()), None) or module_file(name.rpartition(".")[0])


@pytest.mark.parametrize("code", [MODEL_CODE, SCORE_CODE], ids=["models", "scores"])
def test_what_fingerprinted_code_imports_is_fingerprinted_or_decides_no_number(code: tuple[str, ...]) -> None:
    """Where this fails: enter the module in MODEL_CODE or SCORE_CODE if numbers depend on it, else above, with why."""
    files = fingerprinted(code)
    assert len(files) > 30
    known = {file.relative_to(ROOT).as_posix() for file in files} | DECIDE_NO_NUMBER.keys() | {"__init__.py"}
    own = {module_file(name) for file in files for name in imported(file) if name.startswith("ddcrm")}
    assert sorted({file.relative_to(ROOT).as_posix() for file in own} - known) == []


def test_their_libraries_are_in_the_fingerprint() -> None:
    tops = {name.partition(".")[0] for file in fingerprinted((*MODEL_CODE, *SCORE_CODE)) for name in imported(file)}
    owners = packages_distributions()
    found = {owners[top][0] for top in tops - {"ddcrm", *sys.stdlib_module_names}}
    assert {"numpy", "scipy", "scikit-learn", "ibis-framework"} <= found
    assert sorted(found - {*LIBRARIES} - NO_NUMBERS) == []


def test_a_listed_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A module that moves would leave the fingerprint without a word."""
    assert code_digest(["models"]) != code_digest(["models", "features"])
    for part in (*MODEL_CODE, *SCORE_CODE):
        assert (ROOT / part).exists(), part
    with pytest.raises(FileNotFoundError):
        code_digest(["models/nothing.py"])
