"""Numbers as a person writes them."""

from __future__ import annotations

from decimal import Decimal


def number(value: float) -> str:
    """With one decimal where it tells something."""
    value = round(value, 9)  # a mean of zeros may be -1e-17
    return f"{value:z,.0f}" if value >= 100 or value == int(value) else f"{value:z.1f}"


def percent(share: float) -> str:
    """A share of 1 as per cent."""
    return f"{100 * share:.4g} %"


def money(cents: int) -> str:
    """Whole cents, with two decimals."""
    return f"{Decimal(cents).scaleb(-2):,.2f}"
