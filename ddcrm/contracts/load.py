"""From files to contracts: read, validate, build. The first thing that is wrong is raised, with its place."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import cast, get_args

from ddcrm.contracts import values
from ddcrm.contracts.choose import Contracts
from ddcrm.contracts.columns import SYSTEM, Scope, build_columns
from ddcrm.contracts.custom import check_custom_properties, custom_properties
from ddcrm.contracts.document import Document, Place, parse, read_text
from ddcrm.contracts.entities import ENTITIES
from ddcrm.contracts.leaks import refuse_secret_keys, refuse_secret_texts
from ddcrm.contracts.model import Contract, Delivery, Server
from ddcrm.contracts.odcs import check_standard
from ddcrm.contracts.rules import build_exclusions, build_freshness, build_volume
from ddcrm.contracts.semver import is_version
from ddcrm.contracts.servers import build_server
from ddcrm.errors import ContractError

STATUSES = ("proposed", "draft", "active", "deprecated", "retired")

_SOURCE = re.compile(r"[a-z][a-z0-9_]*")
_SUITE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def load_contracts(directory: str | Path) -> Contracts:
    """All contracts below a folder: `<source>/<version>.yaml`. Raises ContractError for the first that is not sound."""
    return Contracts(map(load_contract, contract_files(directory)))


def load_source(directory: str | Path, source: str) -> Contracts:
    """The contracts of a source, and of any other that may feed its entity: what its batches are read by.

    A step of one source takes a fraction of the time of `load_contracts`, and stops at no other source's mistake.
    Raises ContractError.
    """
    files = contract_files(directory)
    own = [load_contract(file) for file in files if file.parent.name == source]
    if not own:
        return load_contracts(directory)  # which says what there is
    entity = re.compile(rf"\b{re.escape(own[0].entity)}\b")
    others = (file for file in files if file.parent.name != source and entity.search(read_text(file)))
    return Contracts([*own, *map(load_contract, others)])


def contract_files(directory: str | Path) -> list[Path]:
    """The files of a folder of contracts, by source and name; raises ContractError where there are none.

    Files directly in the folder and folders that begin with a dot or an underscore are none of ours.
    """
    folder = Path(directory)
    hint = "Each contract is a file <source>/<version>.yaml in it (the setting contracts_dir says where it is)."
    if not folder.is_dir():
        raise ContractError("there is no folder of contracts", file=str(folder), hint=hint)
    sources = sorted(child for child in folder.iterdir() if child.is_dir() and child.name[0] not in "._")
    found = []
    for source in sources:
        files = sorted(file for file in source.iterdir() if file.suffix in (".yaml", ".yml") and file.name[0] != ".")
        if not files:
            raise ContractError(f"the source {source.name!r} has no contract", file=str(source), hint=hint)
        found += files
    if not found:
        raise ContractError("there are no contracts", file=str(folder), hint=hint)
    return found


def load_contract(path: str | Path) -> Contract:
    """The contract in a file; its folder's name is the source, its own name the version.

    Raises ContractError for whatever is wrong with it: facts file, line and, where it is about a property, column.
    """
    return load_text(read_text(Path(path)), Path(path))


@lru_cache(maxsize=256)  # each step asks for all contracts several times, and the check takes a tenth of a second each
def load_text(text: str, file: Path) -> Contract:
    """The contract that a file of this name would hold with this text; the file need not be there."""
    refuse_secret_texts(text, file)  # before anything can quote the line
    document = parse(text, file)
    refuse_secret_keys(document)
    check_standard(document)
    check_custom_properties(document)
    return _build(document)


def _build(document: Document) -> Contract:
    root = Place(document)
    custom = custom_properties(root)
    source, version, status = _source(document), _version(root), values.one_of(root / "status", STATUSES)
    entity = values.one_of(_needed(root, custom, "entity"), tuple(ENTITIES))
    schema = _schema(root)
    zone = values.optional(custom.get("timezone"), values.timezone, "UTC")
    further: tuple[str, ...] = values.optional(custom.get("sourceColumns"), values.texts, ())
    columns = build_columns(schema / "properties", Scope(ENTITIES[entity], zone, further))
    contract = Contract(
        source=source, version=version, entity=entity, status=status, columns=columns, timezone=zone,
        effective_from=values.day(_needed(root, custom, "effectiveFrom")), server=Server("file"),
        delivery=values.optional(custom.get("deliveryMode"), _delivery, "corrections"),
        suite=values.optional(custom.get("suite"), _suite, None),
        max_quarantined_share=values.optional(custom.get("maxQuarantinedShare"), _share, 0.0),
        null_values=values.optional(custom.get("nullValues"), partial(values.texts, empty=True), ("",)),
        allow_empty=values.optional(custom.get("allowEmpty"), values.flag, False),
        file=document.file, fingerprint=document.fingerprint(), further_source_columns=further,
    )  # fmt: skip
    if further:
        _check_further(custom["sourceColumns"], contract)
    return _with_rules(contract, root, schema, custom)


def _with_rules(contract: Contract, root: Place, schema: Place, custom: dict[str, Place]) -> Contract:
    """The contract with what builds on its columns: the server and the rules about batches."""
    name = str((schema / "name").value)
    table = str((schema / "physicalName").value or name)
    heads = (name, table, contract.entity)
    return replace(
        contract,
        server=build_server(root / "servers", table, contract),
        exclude=build_exclusions(custom.get("exclude"), contract.columns),
        freshness=build_freshness(root / "slaProperties", heads, contract.columns, custom.get("freshnessSeverity")),
        volume=values.optional(custom.get("volume"), build_volume, None),
    )


def _check_further(place: Place, contract: Contract) -> None:
    """Columns of ddcrm.sourceColumns are distinct from those of the properties, and from the pipeline's own."""
    taken = [column.source_name.lower() for column in contract.columns] + list(SYSTEM)
    twice = next((name for name in contract.further_source_columns if name.lower() in taken), None)
    if twice:
        what = "is the pipeline's own" if twice.lower() in SYSTEM else "has a property already"
        raise place.error(f"ddcrm.sourceColumns names {twice!r}, which {what}", "Leave it away.")


def _source(document: Document) -> str:
    name = document.file.resolve().parent.name
    if not _SOURCE.fullmatch(name):
        raise ContractError(f"the folder's name {name!r} can't be a source's", file=str(document.file),
                            hint="Write small letters, digits and underscores, a letter first.")  # fmt: skip
    return name


def _version(root: Place) -> str:
    place = root / "version"
    version, stem = str(place.value), root.document.file.stem
    if not is_version(version):
        raise place.error(f"the version {version!r} is not a semantic version", "Write three numbers: 1.0.0.")
    if version != stem:
        raise place.error(
            f"the version is {version}, the file is called {root.document.file.name}", f"Call it {version}.yaml."
        )
    return version


def _schema(root: Place) -> Place:
    schemas = list(root / "schema")
    if len(schemas) != 1:
        raise (root / "schema").error(f"a contract has one schema object, this one has {len(schemas)}",
                                      "Write a contract for each table.")  # fmt: skip
    if not (schemas[0] / "properties").value:
        raise schemas[0].error("the schema object has no properties")
    return schemas[0]


def _needed(root: Place, custom: dict[str, Place], name: str) -> Place:
    if name not in custom:
        raise (root / "customProperties").error(f"the custom property ddcrm.{name} is missing")
    return custom[name]


def _delivery(place: Place) -> Delivery:
    return cast(Delivery, values.one_of(place, get_args(Delivery)))


def _suite(place: Place) -> str:
    if not _SUITE.fullmatch(values.text(place)):
        hint = "It is the name of a file in expectations/, without .json."
        raise place.error(f"the suite {place.value!r} is not a name", hint)
    return str(place.value)


def _share(place: Place) -> float:
    share = values.number(place)
    if share > 1:
        raise place.error(f"ddcrm.maxQuarantinedShare {share:g} is not between 0 and 1", "0.02 means 2 %.")
    return share
