"""What the company's systems deliver: everything that is drawn, and how each source is written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from ddcrm.demo.catalogue import at_price_list, catalogue, catalogue_schema
from ddcrm.demo.contacts import contacts
from ddcrm.demo.events import event_lines, web_events
from ddcrm.demo.feedback import feedback
from ddcrm.demo.files import csv_bytes, json_lines, line_bytes, parquet_bytes, write_days
from ddcrm.demo.market import market
from ddcrm.demo.order_files import LAYOUTS, as_text
from ddcrm.demo.orders import order_lines
from ddcrm.demo.parameters import Company
from ddcrm.demo.people import customers, versions
from ddcrm.demo.purchases import Truth, draw
from ddcrm.demo.shop import CUSTOMERS_FILE, customer_rows
from ddcrm.demo.tickets import ticket_records, tickets
from ddcrm.errors import SettingsError


@dataclass(frozen=True)
class Drawn:
    """The company's rows; but for products and market each has `batch` (day of arrival) and `note` ("": plain)."""

    truth: Truth
    products: pd.DataFrame
    orders: pd.DataFrame
    customers: pd.DataFrame
    events: pd.DataFrame
    tickets: pd.DataFrame
    feedback: pd.DataFrame
    contacts: pd.DataFrame
    market: pd.DataFrame

    def marked(self) -> dict[str, pd.DataFrame]:
        """The frames whose rows have a note, by source."""
        names = ("orders", "customers", "events", "tickets", "feedback", "contacts")
        return {name: getattr(self, name) for name in names}


def draw_all(company: Company) -> Drawn:
    """Draw the process first, then what follows from it."""
    truth, products = draw(company), catalogue(company)
    lines, people = order_lines(company, truth, products), customers(company, truth)
    return Drawn(
        truth=truth,
        products=products,
        orders=lines,
        customers=versions(company, people),
        events=web_events(company, truth, lines, products),
        tickets=tickets(company, lines),
        feedback=feedback(company, lines, products),
        contacts=contacts(company, people, lines),
        market=market(company, lines),
    )


def deliver(company: Company, drawn: Drawn, folder: Path) -> dict[str, int]:
    """Write every source below `folder`; returns the rows a source."""
    every_day = range(company.days)
    reviews, campaigns = (frame.drop(columns="note") for frame in (drawn.feedback, drawn.contacts))
    events = event_lines(drawn.events)
    tabs, semicolons = csv_bytes("\t", "iso-8859-1"), csv_bytes(";")
    return {
        "customers": _write_lines(folder / CUSTOMERS_FILE, customer_rows(company, drawn.customers)) - 1,  # the header
        "orders": _write_orders(company, folder / "orders", as_text(company, drawn.orders, drawn.products)),
        "products": _write_products(company, folder / "products", drawn.products),
        "events": write_days(company, folder / "events", "events.jsonl", events, line_bytes, every_day),
        "tickets": _write_lines(folder / "tickets/tickets.jsonl", json_lines(ticket_records(company, drawn.tickets))),
        "feedback": write_days(company, folder / "feedback", "feedback.csv", reviews, tabs, every_day),
        "contacts": write_days(company, folder / "contacts", "contacts.csv", campaigns, semicolons, every_day),
        "market": _write_market(folder / "market/market.csv", drawn.market),
    }  # fmt: skip


def _write_market(path: Path, rows: pd.DataFrame) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(csv_bytes()(rows))
    return len(rows)


def _write_lines(path: Path, lines: list[str]) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return len(lines)


def _write_orders(company: Company, folder: Path, text: pd.DataFrame) -> int:
    layouts = {company.offset(day): name for name, dates in company.variants.items() for day in dates}
    unknown = sorted(set(layouts.values()) - set(LAYOUTS))
    if unknown:
        raise SettingsError(f"there is no layout {unknown[0]!r} of the orders", hint=f"Known are {', '.join(LAYOUTS)}.")
    count = 0
    for name, layout in LAYOUTS.items():
        days = [day for day in range(company.days) if layouts.get(day, "plain") == name]
        if days:
            count += write_days(company, folder, "orders.csv.gz", layout(text), csv_bytes(compress=True), days)
    return count


def _write_products(company: Company, folder: Path, products: pd.DataFrame) -> int:
    """The catalogue on the first day and each Monday, no rows on other days; two price lists one after the other."""
    days = [day for day in range(company.days) if day == 0 or company.day(day).weekday() == 0]
    tables = {second: at_price_list(products, second) for second in (False, True)}
    rows = pd.concat([tables[day > company.days // 2].assign(batch=day) for day in days], ignore_index=True)
    encode = partial(parquet_bytes, schema=catalogue_schema())
    return write_days(company, folder, "products.parquet", rows, encode, range(company.days))
