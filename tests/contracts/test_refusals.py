"""A contract that is not sound: each failure names the file, the line, the property, and what to do."""
# ruff: noqa: E501 - a row of a table stays a line

from __future__ import annotations

import pytest

from tests.contracts.conftest import EXAMPLE, Load, Refuse, changed, line_of
from tests.contracts.test_load import with_custom, with_property

CHANNEL = "{name: channel, physicalName: channel, logicalType: string, physicalType: text, required: false}"


@pytest.mark.parametrize(
    ("old", "new", "at", "message", "hint"),
    [
        ("required: false", "requird: false", "requird", "the standard has no key 'requird' here", "Did you mean 'required'?"),
        ("domain: crm", "domian: crm", "domian", "the standard has no key 'domian' here", "Did you mean 'domain'?"),
        ("logicalType: timestamp", "logicalType: datetime", "datetime", '"datetime" is none of string, date', None),
        ("logicalType: timestamp", "logicalType: timstamp", "timstamp", "is none of", "Did you mean 'timestamp'?"),
        ("        logicalType: timestamp\n", "", "name: ordered_at", "logicalType is missing", "string, integer"),
        ("required: false", "required: 'no'", "'no'", '"no" is not true or false', None),
        ("version: 2.0.0", "version: 2.0", "version: 2.0", "2.0 is not text", "Put it in quotes."),
        ("id: ddcrm.orders\n", "", "apiVersion:", "id is missing", None),
        ("type: local", "type: file", "type: file", '"file" is none of', None),
        ("path: 'sources/orders/{batch_date}/orders.csv', ", "", "server: files", "path is missing", None),
        ("{name: channel, ", "{", "physicalName: channel", "name is missing", None),
        ("slaProperties:", "slaProperties: {}\nprice:", "slaProperties", "a mapping is not a list", None),
        ("kind: DataContract", "kind: Contract", "kind:", "is none of DataContract", "Did you mean 'DataContract'?"),
    ],
)  # fmt: skip
def test_what_the_standard_refuses(refuse: Refuse, old: str, new: str, at: str, message: str, hint: str | None) -> None:
    text = changed(old, new)
    if "slaProperties: {}" in new:
        text = text[: text.index("price:")] + text[text.index("customProperties:\n  - {property: ddcrm.entity") :]
    error = refuse(text)
    assert message in str(error)
    assert error.line == line_of(at, text)
    assert hint is None or hint in str(error.hint)


def test_error_in_a_property_names_the_column(refuse: Refuse) -> None:
    error = refuse(changed("required: false", "requird: false"))
    assert error.column == "channel"
    assert "schema[0].properties[5]" in str(error)


def test_first_of_several_errors_is_shown(refuse: Refuse) -> None:
    text = changed("required: false", "requird: false").replace("domain: crm", "domian: crm")
    assert refuse(text).line == line_of("domian", text)


@pytest.mark.parametrize(
    ("old", "new", "at", "message", "hint"),
    [
        # the document
        ("version: 2.0.0", "version: v2", "version: v2", "'v2' is not a semantic version", "1.0.0"),
        ("version: 2.0.0", "version: 2.0.1", "version: 2.0.1", "the version is 2.0.1, the file is called 2.0.0.yaml", "2.0.1.yaml"),
        ("status: active", "status: live", "status: live", "status 'live' is none of", None),
        ("status: active\n", "", "apiVersion", "status must be text, not nothing", None),
        ("value: orders}\n  - {property: ddcrm.eff", "value: order}\n  - {property: ddcrm.eff", "value: order}",
         "ddcrm.entity 'order' is none of", "Did you mean 'orders'?"),
        ("  - {property: ddcrm.entity, value: orders}\n", "", "\ncustomProperties:", "ddcrm.entity is missing", None),
        ("'2026-01-15'", "'15.01.2026'", "15.01.2026", "'15.01.2026' is not a day", "YYYY-MM-DD"),
        ("'2026-01-15'", "'2026-02-30'", "2026-02-30", "is not a day", None),
        ("value: corrections", "value: correction", "correction}", "is none of append", "Did you mean 'corrections'?"),
        ("value: 0.02", "value: 2", "value: 2}", "2 is not between 0 and 1", "0.02 means 2 %"),
        ("value: 0.02", "value: -0.1", "value: -0.1", "must be a number of 0 or more", None),
        ("value: 0.02", "value: 2 %", "value: 2 %", 'must be a number of 0 or more, not "2 %"', None),
        ("value: 0.02", "value: true", "value: true", "must be a number of 0 or more, not true", None),
        # custom properties
        ("ddcrm.maxQuarantinedShare", "ddcrm.maxQuarantineShare", "maxQuarantineShare",
         "there is no custom property 'ddcrm.maxQuarantineShare'", "Did you mean 'ddcrm.maxQuarantinedShare'?"),
        ("ddcrm.suite", "DDCRM.suite", "DDCRM.suite", "there is no custom property 'DDCRM.suite'", "Write it as ddcrm.suite."),
        ("ddcrm.suite", "ddcrm.role", "value: orders}\n  - {property: ddcrm.max", "ddcrm.role has no place here", "a property"),
        ("ddcrm.role", "ddcrm.suite", "value: event_time", "ddcrm.suite has no place here", "a document"),
        ("value: event_time", "value: eventtime", "value: eventtime", "'eventtime' is none of event_time", "event_time"),
        ("value: orders}\n  - {property: ddcrm.max", "value: ../x}\n  - {property: ddcrm.max", "../x", "'../x' is not a name", None),
        # names and types
        ("name: channel,", "name: order_id,", "name: order_id, physicalName: channel", "the name 'order_id' stands twice", None),
        ("physicalName: channel", "physicalName: orderno", "physicalName: orderno", "the physicalName 'orderno' stands twice", "case"),
        ("name: channel,", "name: my channel,", "name: my channel", "letters, digits and underscores", None),
        ("name: channel,", "name: batch_date,", "name: batch_date", "'batch_date' is the pipeline's own", None),
        ("name: channel,", "name: Channel,", "name: Channel", "orders has no column 'Channel'", "Write it as channel."),
        ("physicalName: channel", "physicalName: _line", "physicalName: _line", "a name of the pipeline's own", "transformLogic"),
        ("name: customer_key", "name: customer_kee", "    properties:", "the required column orders.customer_key is missing",
         "Did you mean 'customer_kee'?"),
        ("logicalType: timestamp", "logicalType: string", "logicalType: string\n        physicalType: text\n        required",
         "", "once it was read"),
        ("'decimal(18,2)'", "'decimal(18,4)'", "decimal(18,4)", "orders.amount is a decimal(18,2), not a decimal(18,4)", "Leave"),
        ("'decimal(18,2)'", "money", "value: money", "there is no canonical type 'money'", "decimal(18,2)"),
        ("'decimal(18,2)'", "'decimal(39,2)'", "decimal(39", "there is no canonical type", None),
        # the key
        ("primaryKeyPosition: 2", "primaryKeyPosition: 1", "name: line_no", "must have distinct positions", "1, 2"),
        (", primaryKeyPosition: 2", "", "name: line_no", "must have distinct positions", None),
        # times
        ("Europe/Berlin", "Europe/Berln", "Europe/Berln", "there is no time zone 'Europe/Berln'", "Did you mean 'Europe/Berlin'?"),
        ("Europe/Berlin", "Europe", "value: Europe", "there is no time zone 'Europe'", None),
        ("Europe/Berlin", "../etc/passwd", "passwd", "there is no time zone", None),
        ("Europe/Berlin", "localtime", "localtime", "localtime", "IANA"),
        ("yyyy-MM-dd HH:mm:ss", "YYYY-MM-dd HH:mm:ss", "YYYY", "letters that are not known: YYYY", "Write yyyy"),
        ("yyyy-MM-dd HH:mm:ss", "HH:mm:ss", "{format", "has no year", "yyyy"),
        ("value: 6, unit: h", "value: 6, unit: m", "unit: m", 'the latency\'s unit "m" is none of h, d, min', None),
        ("value: 6, unit: h", "value: six, unit: h", "value: six", "must be a number", None),
        ("element: orders.ordered_at}\n  - {property: freq", "element: orders.orderd_at}\n  - {property: freq", "orderd_at",
         "'orders.orderd_at' is no column of the contract", "Did you mean 'ordered_at'?"),
        ("element: orders.ordered_at}\n  - {property: freq", "element: orders.channel}\n  - {property: freq", "orders.channel",
         "is a string, not a time", None),
        ("element: orders.ordered_at}\n  - {property: freq", "element: shops.ordered_at}\n  - {property: freq", "shops.ordered_at",
         "is no column of the contract", "Write it as orders.<column>."),
        ("property: frequency", "property: latency", "value: 1, unit: d", "there are two SLA properties latency", None),
    ],
)  # fmt: skip
def test_what_ddcrm_refuses(refuse: Refuse, old: str, new: str, at: str, message: str, hint: str | None) -> None:
    text = changed(old, new)
    error = refuse(text)
    assert message in str(error)
    first = text.index(at) + len(at) - len(at.lstrip("\n"))
    assert error.line == text.count("\n", 0, first) + 1
    assert hint is None or hint in str(error.hint)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{property: ddcrm.entity, value: orders}", "ddcrm.entity stands twice: in line "),
        ("{property: ddcrm.timezone, value: Mars/Olympus}", "there is no time zone"),
        ("{property: ddcrm.nullValues, value: NA}", "must be a list of texts"),
        ("{property: ddcrm.nullValues, value: [NA, NA]}", "has 'NA' twice"),
        ("{property: ddcrm.nullValues, value: [1]}", "must be text, not 1"),
        ("{property: ddcrm.allowEmpty, value: 'yes'}", 'must be true or false, not "yes"'),
        ("{property: ddcrm.volume, value: 0.5}", "ddcrm.volume must be a mapping"),
        ("{property: ddcrm.volume, value: {tolerence: 0.5}}", "has no key 'tolerence'"),
        ("{property: ddcrm.volume, value: {weeks: 0}}", "weeks must be a whole number, 1 or more"),
        ("{property: ddcrm.volume, value: {severity: error}}", "severity 'error' is none of critical"),
        ("{property: ddcrm.freshnessSeverity, value: loud}", "is none of critical"),
        ("{property: ddcrm.sourceColumns, value: [OrderNo]}", "ddcrm.sourceColumns names 'OrderNo', which has a property already"),
        ("{property: ddcrm.sourceColumns, value: Branch}", "must be a list of texts"),
        ("{property: ddcrm.exclude, value: {name: a}}", "must be a list"),
        ("{property: ddcrm.exclude, value: [{name: a, where: amount = 0}]}", "reason must be text"),
        ("{property: ddcrm.exclude, value: [{name: a b, where: amount = 0, reason: r}]}", "letters, digits and underscores"),
        ("{property: ddcrm.exclude, value: [{name: a, where: amount = 0, reason: r}, {name: a, where: amount = 1, reason: r}]}",
         "the rule 'a' twice"),
        ("{property: ddcrm.exclude, value: [{name: a, where: total_cents = 0, reason: r}]}", "there is no column 'total_cents'"),
        ("{property: ddcrm.exclude, value: [{name: a, where: amount, reason: r}]}", "is a DECIMAL(18,2), not a condition"),
        ("{property: ddcrm.exclude, value: [{name: a, where: 'amount =', reason: r}]}", "the SQL can't be parsed"),
    ],
)  # fmt: skip
def test_custom_properties_with_wrong_values(refuse: Refuse, entry: str, message: str) -> None:
    text = with_custom(entry)
    error = refuse(text)
    assert message in str(error)
    assert error.line == len(text.splitlines())


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{name: extra, logicalType: integer, logicalTypeOptions: {minimum: 5, maximum: 4}}", "minimum 5 is greater than maximum 4"),
        ("{name: extra, logicalType: string, logicalTypeOptions: {minLength: 5, maxLength: 4}}", "minLength 5 is greater"),
        ("{name: extra, logicalType: date, logicalTypeOptions: {minimum: '1.1.2020'}}", 'minimum "1.1.2020" is not a date'),
        ("{name: extra, logicalType: date, logicalTypeOptions: {minimum: 2021-01-01, maximum: 2020-01-01}}", "greater than maximum"),
        ("{name: extra, logicalType: integer, logicalTypeOptions: {exclusiveMinimum: 0}}", "ddcrm does not check exclusiveMinimum"),
        ("{name: extra, logicalType: number, logicalTypeOptions: {multipleOf: 2}}", "ddcrm does not check multipleOf"),
        ("{name: extra, logicalType: string, logicalTypeOptions: {pattern: '[a-z'}}", "the pattern '[a-z' is not valid"),
        ("{name: extra, logicalType: string, logicalTypeOptions: {pattern: '(?=a)b'}}", "RE2"),
        ("{name: extra, logicalType: integer, enum: [{value: one}]}", 'the enumeration\'s "one" is not an integer'),
        ("{name: extra, logicalType: integer, enum: [{value: 1.5}]}", "the enumeration's 1.5 is not"),
        ("{name: extra, logicalType: string, enum: [{value: true}]}", "Put it in quotes."),
        ("{name: extra, logicalType: number, enum: [{value: 1.5}]}", "a double can't be enumerated"),
        ("{name: extra, logicalType: date, customProperties: [{property: ddcrm.timezone, value: UTC}]}", "a time zone says nothing of a date"),
        ("{name: shipped_at, logicalType: timestamp, customProperties: [{property: ddcrm.role, value: event_time}]}",
         "shipped_at is not the event time of orders"),
        ("{name: quantity, logicalType: number}", "a number can't become orders.quantity, which is an integer"),
        ("{name: product_id, logicalType: integer}", "an integer can't become orders.product_id, which is a string"),
    ],
)  # fmt: skip
def test_properties_that_are_not_sound(refuse: Refuse, entry: str, message: str) -> None:
    text = with_property(entry)
    error = refuse(text)
    assert message in str(error)
    assert error.line == line_of(entry, text)
    assert error.column == entry.removeprefix("{name: ").partition(",")[0]


def test_names_that_stand_twice_name_both_lines(refuse: Refuse) -> None:
    text = changed("name: channel,", "name: customer_key,")
    error = refuse(text)
    first, second = line_of("name: customer_key, physicalName: CustNo", text), line_of("physicalName: channel", text)
    assert f"in line {first} and in line {second}" in str(error)


def test_contract_without_a_key_is_refused(refuse: Refuse) -> None:
    text = EXAMPLE.replace(", primaryKey: true, primaryKeyPosition: 1", "").replace(
        ", primaryKey: true, primaryKeyPosition: 2", ""
    )
    assert "there is no primary key" in str(refuse(text))


def test_second_schema_object_is_refused(refuse: Refuse) -> None:
    error = refuse(changed("slaProperties:\n", "  - {name: lines, logicalType: object}\nslaProperties:\n"))
    assert "one schema object, this one has 2" in str(error)


def test_schema_without_properties_is_refused(refuse: Refuse) -> None:
    start, end = EXAMPLE.index("    properties:"), EXAMPLE.index("slaProperties:")
    assert "has no properties" in str(refuse(EXAMPLE[:start] + EXAMPLE[end:]))


def test_severity_of_a_latency_that_is_not_there(refuse: Refuse) -> None:
    text = with_custom("{property: ddcrm.freshnessSeverity, value: critical}")
    assert "says nothing without" in str(refuse(text.replace("property: latency", "property: retention")))


@pytest.mark.parametrize("source", ["My Orders", "Orders", "1st", "or-ders"])
def test_folder_that_can_not_be_a_source(refuse: Refuse, source: str) -> None:
    assert "can't be a source's" in str(refuse(EXAMPLE, source=source))


def test_custom_properties_elsewhere_are_refused(refuse: Refuse) -> None:
    text = changed(
        "    physicalType: table\n",
        "    physicalType: table\n    customProperties: [{property: ddcrm.suite, value: x}]\n",
    )
    assert "ddcrm.suite has no place here" in str(refuse(text))


def test_properties_of_others_are_none_of_our_business(load: Load) -> None:
    text = changed(CHANNEL, CHANNEL[:-1] + ", customProperties: [{property: other.thing, value: {a: 1}}]}")
    assert load(text).column("channel").type == "string"
