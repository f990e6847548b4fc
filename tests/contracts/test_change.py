"""The classifier against the tables of docs/schema-changes.md, and the pure judgements under it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ddcrm.contracts.change import KINDS, Change, classify, worst
from ddcrm.contracts.diff import diff
from ddcrm.contracts.renames import Likeness, matched, names_alike
from ddcrm.contracts.units import Profile, known_factor, unit_change
from ddcrm.contracts.wording import sentence
from ddcrm.settings import ChangeSettings
from tests.contracts.conftest import EXAMPLE, Load, changed

DOCS = Path(__file__).parents[2] / "docs" / "schema-changes.md"
ROW = re.compile(r"^\| `(\w+)` \| (.+) \| (\w+) \|$", flags=re.MULTILINE)
TABLE = ROW.findall(DOCS.read_text("utf-8"))
LIMITS = ChangeSettings()

FEW: dict[str, Any] = {"rows": 12, "share": 0.1, "tolerated": 0.05}
MANY: dict[str, Any] = {"rows": 60, "share": 0.5, "tolerated": 0.05}
SIZE: dict[str, Any] = {"ratio": 99.0, "median_before": 20, "median_now": 1980, "values": 50, "factor": 100.0}
TYPED = {"type": "date", "now": "dd.MM.yyyy", "limit": "too long"}
PAIR = {"before": "a", "after": "b"}
# the facts of each row of the tables, by kind and class
EXAMPLES: dict[tuple[str, str], dict[str, Any]] = {
    ("column_renamed", "breaking"): {"now": "total", "readable": 1.0},
    ("rename_unclear", "breaking"): {"candidates": {"net": {}, "gross": {}}},
    ("column_case", "compatible"): {"now": "AMOUNT"},
    ("key_duplicated", "attention"): {"rows": 30, "share": 0.5, "usual": 0.01},
    ("key_duplicated", "breaking"): {"rows": 31, "share": 0.51, "usual": 0.01},
    ("unit_changed", "breaking"): {**SIZE, "fractions": "gone", "certain": True},
    ("unit_changed", "attention"): {**SIZE, "fractions": "still there", "certain": False},
    ("distribution_shifted", "attention"): {**SIZE, "ratio": 30},
    ("property_added", "compatible"): {"required": False},
    ("property_added", "breaking"): {"required": True},
    ("enum_extended", "compatible"): {"values": "app"},
    ("enum_reduced", "attention"): {"values": "app"},
    ("limits_changed", "attention"): {"limit": "minimum", **PAIR},
    ("exclusions_changed", "attention"): {"what": "new"},
    ("server_changed", "attention"): {"what": "path"},
} | {
    (kind, level): {**facts, **TYPED}
    for kind in ("type_changed", "date_format_changed", "number_format_changed", "value_missing", "limit_broken",
                 "enum_grown")
    for level, facts in (("attention", FEW), ("breaking", MANY))
}  # fmt: skip


def example(kind: str, level: str) -> Change:
    return Change(kind, "amount", EXAMPLES.get((kind, level), PAIR))


@pytest.mark.parametrize(("kind", "when", "level"), TABLE, ids=[f"{kind}-{level}" for kind, _, level in TABLE])
def test_the_documented_class(kind: str, when: str, level: str) -> None:
    verdict = classify(example(kind, level), LIMITS)
    assert verdict.level == level
    assert verdict.reason
    assert not sentence(example(kind, level)).endswith(".")


def test_the_tables_have_every_kind_and_every_example() -> None:
    assert {kind for kind, _, _ in TABLE} == set(KINDS)
    assert {(kind, level) for kind, _, level in TABLE} >= set(EXAMPLES)
    assert len(TABLE) == len({(kind, level) for kind, _, level in TABLE})


@pytest.mark.parametrize(
    ("facts", "level"),
    [
        ({"rows": 60, "share": 0.6, "tolerated": 0.7}, "attention"),  # the contract tolerates it
        ({"rows": 9, "share": 1.0, "tolerated": 0.0}, "attention"),  # a tiny batch: its rows are judged one by one
        ({"rows": 10, "share": 1.0, "tolerated": 0.0}, "breaking"),
        ({"rows": 49, "share": 0.49, "tolerated": 0.0}, "attention"),
    ],
)
def test_a_share_breaks_from_the_limit_on(facts: dict[str, Any], level: str) -> None:
    assert classify(Change("enum_grown", "channel", facts), LIMITS).level == level


def test_limits_are_settings() -> None:
    strict = ChangeSettings(breaking_share=0.1, min_values=1)
    assert classify(Change("enum_grown", "channel", FEW), strict).level == "breaking"


def test_the_worst_class() -> None:
    assert worst(["compatible", "breaking", "attention"]) == "breaking"
    assert worst([]) == "compatible"


def test_documented_limits_are_the_defaults() -> None:
    import tomllib

    (block,) = re.findall(r"```toml\n(.*?)```", DOCS.read_text("utf-8"), flags=re.DOTALL)
    assert ChangeSettings(**tomllib.loads(block)["changes"]) == LIMITS
    assert set(tomllib.loads(block)["changes"]) == set(ChangeSettings.model_fields)


def test_documented_number_of_formats() -> None:
    from ddcrm.lake.spellings import DATES

    assert f"{sum(each.format is not None for each in DATES)} formats" in DOCS.read_text("utf-8")


# sizes of values


def euros(scale: float = 1.0, values: int = 40, whole: int = 2) -> Profile:
    return Profile(values, values, values, (10 * scale, 20 * scale, 40 * scale), whole)


BEFORE = [euros(0.8), euros(1.1), euros(1.3), euros(0.9)]


@pytest.mark.parametrize(
    ("now", "kind", "facts"),
    [
        (euros(100, whole=40), "unit_changed", {"factor": 100.0, "fractions": "gone", "certain": True}),
        (euros(100), "unit_changed", {"factor": 100.0, "fractions": "still there", "certain": False}),
        (euros(1200, whole=40), "unit_changed", {"factor": 1000.0}),
        (euros(0.01), "unit_changed", {"factor": 0.01}),
        (euros(60, whole=40), "unit_changed", {"factor": 100.0, "ratio": 66.67, "fractions": "gone"}),
        (euros(180, whole=40), "unit_changed", {"factor": 100.0, "ratio": 200.0}),
        (euros(8000, whole=40), "distribution_shifted", {"ratio": 8889.0}),
        (euros(50), "distribution_shifted", {"ratio": 55.56}),
    ],
)
def test_a_jump_of_all_quartiles(now: Profile, kind: str, facts: dict[str, Any]) -> None:
    change = unit_change("amount", now, BEFORE, LIMITS)
    assert change is not None
    assert change.kind == kind
    assert facts.items() <= {**change.facts}.items()


@pytest.mark.parametrize(
    ("now", "before"),
    [
        (euros(3), BEFORE),  # a good day
        (euros(20, whole=40), BEFORE),  # whole numbers, and not a hundred times as large
        (euros(100, values=9, whole=9), BEFORE),  # too few values
        (euros(100, whole=40), BEFORE[:2]),  # too few batches
        (euros(100, whole=40), []),  # the first one
        (Profile(40, 40, 40, (10, 2000, 4000), 40), BEFORE),  # half of the rows only: no unit does that
        (Profile(40, 40), BEFORE),  # no numbers
    ],
)
def test_no_jump(now: Profile, before: Sequence[Profile]) -> None:
    assert unit_change("amount", now, before, LIMITS) is None


def test_values_that_vary_by_themselves_are_no_unit() -> None:
    wild = [euros(scale, values=10, whole=10) for scale in (0.05, 1, 20, 1.1, 0.9, 30)]
    change = unit_change("amount", euros(100, whole=40), wild, LIMITS)
    assert change is not None
    assert change.kind == "distribution_shifted"


def test_a_tiny_batch_of_before_counts_little() -> None:
    odd = Profile(2, 2, 2, (2000.0, 2000.0, 2000.0), 2)
    change = unit_change("amount", euros(100, whole=40), [*BEFORE, odd], LIMITS)
    assert change is not None
    assert change.kind == "unit_changed"


@pytest.mark.parametrize(("ratio", "factor"), [(97, 100), (149, 100), (151, None), (0.0098, 0.01), (1100, 1000),
                                               (20, None), (1, None)])  # fmt: skip
def test_factors(ratio: float, factor: float | None) -> None:
    assert known_factor(ratio, LIMITS) == factor


# renames


def pairs(*likes: Likeness) -> tuple[list[tuple[str, str]], dict[str, list[str]]]:
    """What is renamed, and what may be one of several."""
    found = matched(likes, LIMITS)
    unclear = {missing: sorted(like.added for like in each) for missing, each in found.unclear.items()}
    return [(like.missing, like.added) for like in found.renamed], unclear


def number(
    missing: str, added: str, ratio: float, known: float = 0.0, *, distinct: int = 50, flipped: bool = False
) -> Likeness:
    return Likeness(missing, added, 1.0, known, distinct, 1.0, ratio, flipped, typed=True)


def text(missing: str, added: str, known: float, shaped: float = 1.0) -> Likeness:
    return Likeness(missing, added, 1.0, known, 9, shaped)


def test_the_best_pairs_are_taken_each_column_once() -> None:
    likes = [
        Likeness("amount", "total_cents", 1.0, 0.0, 50, 0.1, 99.0),
        Likeness("amount", "loyalty_tier", 0.0, 0.0, 3, 0.0),
        Likeness("status", "total_cents", 1.0, 0.0, 50, 0.0),
        Likeness("status", "state", 1.0, 1.0, 2, 1.0),
    ]
    assert pairs(*likes) == ([("status", "state"), ("amount", "total_cents")], {})


def test_what_is_not_alike_is_no_rename() -> None:
    assert pairs(Likeness("amount", "weight", 1.0, 0.02, 50, 0.5, 7.0)) == ([], {})
    assert pairs(Likeness("amount", "amount_text", 0.2, 0.9, 50, 0.9)) == ([], {})


def test_a_number_that_is_left_over_goes_to_the_only_column_that_is_one() -> None:
    few = Likeness("amount", "total_cents", 1.0, 0.0, 2, 0.0, 300.0, typed=True)
    words = Likeness("amount", "loyalty_tier", 0.0, typed=True)
    assert pairs(few, words) == ([("amount", "total_cents")], {})
    assert pairs(few, words, Likeness("amount", "weight", 1.0, typed=True)) == ([], {})
    assert pairs(few, Likeness("cost", "total_cents", 1.0, typed=True)) == ([], {})
    assert pairs(Likeness("note", "remark_2", 1.0, 0.0, 9, 0.1)) == ([], {})


def test_a_number_of_another_size_and_name_is_left_to_a_person() -> None:
    assert pairs(number("amount", "weight", 7.0)) == ([], {"amount": ["weight"]})
    assert pairs(number("amount", "amount_jpy", 160.0)) == ([("amount", "amount_jpy")], {})


UNCLEAR: dict[str, tuple[list[Likeness], dict[str, list[str]]]] = {
    "net and gross": ([number("amount", "amount_net", 1.0), number("amount", "amount_gross", 1.19)],
                      {"amount": ["amount_gross", "amount_net"]}),
    "a name says little of amounts": ([number("amount", "net", 1.0), number("amount", "amount_gross", 1.19)],
                                      {"amount": ["amount_gross", "net"]}),
    "two in the other unit": ([number("amount", "net_cents", 100.0, flipped=True),
                               number("amount", "gross_cents", 119.0, flipped=True)],
                              {"amount": ["gross_cents", "net_cents"]}),
    "the other unit and the same one": ([number("amount", "total_cents", 98.0, flipped=True),
                                         number("amount", "total_gross", 1.2, 0.03)],
                                        {"amount": ["total_cents", "total_gross"]}),
    "another currency, and another number": ([number("amount", "amount_jpy", 160.0), number("amount", "weight", 1.0)],
                                             {"amount": ["amount_jpy", "weight"]}),
    "two texts": ([text("status", "state_a", 1.0), text("status", "state_b", 1.0)], {"status": ["state_a", "state_b"]}),
    "one column for two": ([number("amount", "total", 1.0), number("cost", "total", 0.8)],
                           {"amount": ["total"], "cost": ["total"]}),
    "two for two": ([number("net", "a_1", 1.0), number("net", "a_2", 1.1), number("gross", "a_1", 0.9),
                     number("gross", "a_2", 1.0)], {"net": ["a_1", "a_2"], "gross": ["a_1", "a_2"]}),
}  # fmt: skip


@pytest.mark.parametrize("case", UNCLEAR)
def test_near_rivals_are_left_to_a_person(case: str) -> None:
    likes, unclear = UNCLEAR[case]
    assert pairs(*likes) == pairs(*reversed(likes)) == ([], unclear)


CLEAR: dict[str, tuple[list[Likeness], list[tuple[str, str]]]] = {
    "values that were there before": ([number("amount", "net", 1.0, 0.9), number("amount", "amount_gross", 1.19, 0.1)],
                                      [("amount", "net")]),
    "twice as large": ([number("amount", "total", 1.0), number("amount", "list_price", 2.0)], [("amount", "total")]),
    "the other unit, and a small number": ([number("amount", "total_cents", 98.0, flipped=True),
                                            number("amount", "loyalty_points", 0.3)], [("amount", "total_cents")]),
    "two amounts, each its own": ([number("amount", "total", 1.0), number("amount", "unit_cost", 0.6),
                                   number("cost", "total", 1.6), number("cost", "unit_cost", 1.0)],
                                  [("cost", "unit_cost"), ("amount", "total")]),
    "keys of one shape, by name": ([text("OrderNo", "order_number", 0.0), text("OrderNo", "customer", 0.0),
                                    text("Cust", "order_number", 0.0), text("Cust", "customer", 0.0)],
                                   [("OrderNo", "order_number"), ("Cust", "customer")]),
    "texts that were there before": ([text("status", "state", 1.0), text("status", "stage", 0.0, 0.3)],
                                     [("status", "state")]),
}  # fmt: skip


@pytest.mark.parametrize("case", CLEAR)
def test_a_rival_that_fits_worse_is_none(case: str) -> None:
    likes, renamed = CLEAR[case]
    found, unclear = pairs(*likes)
    assert (sorted(found), unclear) == (sorted(renamed), {})


@pytest.mark.parametrize(("one", "two", "least"), [("customer_no", "CustomerNo", 1.0), ("amount", "total_amount", 0.8),
                                                   ("OrderTS", "order_ts", 1.0)])  # fmt: skip
def test_names(one: str, two: str, least: float) -> None:
    assert names_alike(one, two) >= least
    assert names_alike("status", "weight") < 0.4


# versions of a contract


def test_an_equal_version_changes_nothing(load: Load) -> None:
    assert diff(load(EXAMPLE), load(EXAMPLE)) == []


CHANNEL = "{name: channel, physicalName: channel, logicalType: string, physicalType: text, required: false}"
ENUMERATED = CHANNEL.replace("required: false", "enum: [{value: web}, {value: store}]")
KEYS = "{property: ddcrm.deliveryMode, value: corrections}"


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (CHANNEL, CHANNEL + "\n      - {name: tier, logicalType: string}", [("property_added", "tier")]),
        (f"      - {CHANNEL}\n", "", [("property_removed", "channel")]),
        (CHANNEL, CHANNEL.replace("name: channel", "name: way", 1), [("property_renamed", "channel")]),
        ("physicalName: channel", "physicalName: way", [("source_column_changed", "channel")]),
        ("yyyy-MM-dd HH:mm:ss", "dd.MM.yyyy HH:mm", [("format_changed", "ordered_at")]),
        ("DECIMAL(18, 2)) / 100", "DECIMAL(18, 2)) / 1000", [("computation_changed", "amount")]),
        ("required: false", "required: true", [("requirement_added", "channel")]),
        (CHANNEL, ENUMERATED, [("enum_reduced", "channel")]),
        (CHANNEL, CHANNEL[:-1] + ", logicalTypeOptions: {maxLength: 9}}", [("limits_changed", "channel")]),
        ("primaryKeyPosition: 1}", "primaryKeyPosition: 3}", [("key_changed", None)]),
        ("value: corrections", "value: append", [("delivery_changed", None)]),
        (CHANNEL, CHANNEL[:-1] + ", classification: personal}", [("classification_changed", "channel")]),
        ("value: Europe/Berlin", "value: Europe/London", [("timezone_changed", "ordered_at")]),
        (KEYS, KEYS + "\n  - {property: ddcrm.nullValues, value: ['', '-']}", [("null_values_changed", None)]),
        (KEYS, KEYS + "\n  - {property: ddcrm.exclude, value: [{name: t, where: channel = 't', reason: t}]}",
         [("exclusions_changed", "t")]),
        ("{batch_date}/orders.csv", "{batch_date}.csv", [("server_changed", None)]),
        ("value: 0.02", "value: 0.03", [("rules_changed", "max_quarantined_share")]),
        (KEYS, KEYS + "\n  - {property: ddcrm.sourceColumns, value: [Till]}", [("source_columns_changed", None)]),
    ],
)  # fmt: skip
def test_versions(load: Load, old: str, new: str, found: list[tuple[str, str | None]]) -> None:
    changes = diff(load(EXAMPLE), load(changed(old, new)))
    assert [(change.kind, change.column) for change in changes] == found
    assert all(sentence(change) and classify(change).reason for change in changes)


def test_an_enumeration_that_grows_and_one_that_shrinks(load: Load) -> None:
    narrow, wide = (
        load(changed(CHANNEL, text)) for text in (ENUMERATED, ENUMERATED.replace("}]}", "}, {value: app}]}"))
    )
    assert [(each.kind, each.facts["values"]) for each in diff(narrow, wide)] == [("enum_extended", "app")]
    assert [(each.kind, each.facts["values"]) for each in diff(wide, narrow)] == [("enum_reduced", "app")]
    assert [each.kind for each in diff(narrow, load(EXAMPLE))] == ["enum_extended"]


def test_another_type_of_an_extra(load: Load) -> None:
    extra = CHANNEL + "\n      - {name: tier, logicalType: %s}"
    changes = diff(load(changed(CHANNEL, extra % "string")), load(changed(CHANNEL, extra % "integer")))
    assert [(each.kind, each.facts) for each in changes] == [
        ("canonical_type_changed", {"before": "string", "after": "integer"})
    ]  # fmt: skip
