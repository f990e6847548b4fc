"""The page: one HTML file that needs nothing else, with its figures as SVG."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NUMBER = re.compile(r"[-+]?[\d,]+(\.\d+)?( %)?")


@dataclass(frozen=True)
class Table:
    """Rows of texts under a head; columns of numbers stand to the right."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def numbers(self) -> list[bool]:
        """Which columns hold nothing but numbers, and some."""
        columns = [[cell for cell in column if cell] for column in zip(*self.rows, strict=True)]
        return [bool(column) and all(map(_NUMBER.fullmatch, column)) for column in columns]


@dataclass(frozen=True)
class Section:
    """A part of the page: a title, words, figures, tables."""

    title: str
    words: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()


@dataclass(frozen=True)
class Page:
    """All of it; facts: the line of numbers on top."""

    title: str
    facts: Mapping[str, str] = field(default_factory=dict)
    sections: Sequence[Section] = ()


def render(page: Page) -> str:
    """The page as HTML; the same page gives the same text."""
    from jinja2 import Environment, PackageLoader, select_autoescape

    environment = Environment(loader=PackageLoader("ddcrm.report"), autoescape=select_autoescape(default=True))
    sections = [_drawn(section) for section in page.sections]
    return environment.get_template("page.html").render(title=page.title, facts=page.facts, sections=sections)


def _drawn(section: Section) -> dict[str, Any]:
    from markupsafe import Markup

    from ddcrm.report.style import WIDTH, svg

    figures = [
        {"svg": Markup(svg(figure)), "wide": figure.get_figwidth() > WIDTH}  # noqa: S704 - drawn here; matplotlib escapes texts
        for figure in section.figures
    ]
    return {"title": section.title, "words": section.words, "figures": figures, "tables": section.tables}
