"""Deliveries of the test shop that look otherwise than the ones before."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date

from tests.pipeline.shop import COLUMNS, CONTRACT, Shop

DAY = date(2026, 1, 20)
CHANNEL = "\n      - {name: channel, logicalType: string, enum: [{value: web}, {value: store}]}"
PERSONAL = "physicalName: Cust, logicalType: string, required: true, classification: pseudonymous"

Row = dict[str, str]
Spoil = Callable[[int, Row], Row]


def with_channels(shop: Shop) -> Shop:
    """The shop with a column more, an enumeration; customers' numbers have a pattern."""
    write_contract(shop)
    for day, lines in shop.rows.items():
        shop.rows[day] = [{**row, "channel": ("web", "store")[n % 2]} for n, row in enumerate(lines)]
        shop.write(day, (*COLUMNS, "channel"))
    return shop


def write_contract(shop: Shop) -> None:
    text = CONTRACT.replace("      - {name: status", CHANNEL[1:] + "\n      - {name: status")
    limited = PERSONAL + ", logicalTypeOptions: {pattern: '^C[0-9]{4}$'}"
    (shop.folder / "contracts/orders/1.0.0.yaml").write_text(text.replace(PERSONAL, limited))


def deliver(shop: Shop, spoil: Spoil, day: date = DAY) -> None:
    """Write the day's file, each row changed."""
    lines = [spoil(number, dict(row)) for number, row in enumerate(shop.rows[day])]
    with shop.file(day).open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


def renamed(old: str, new: str, value: Callable[[str], str] = str) -> Spoil:
    return lambda _, row: {new if name == old else name: value(text) if name == old else text
                           for name, text in row.items()}  # fmt: skip


def valued(column: str, value: Callable[[int, str], str]) -> Spoil:
    return lambda number, row: {**row, column: value(number, row[column])}


def without(column: str) -> Spoil:
    return lambda _, row: {name: text for name, text in row.items() if name != column}


def german(moment: str) -> str:
    day, time = moment.split(" ")
    return ".".join(reversed(day.split("-"))) + " " + time


def cents(amount: str) -> str:
    return amount.replace(".", "").lstrip("0")
