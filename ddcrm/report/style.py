"""How the figures look, and how they become SVG: the same figure gives the same bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")

BLUE, ORANGE, GREEN, RED, GREY = "#2f6690", "#e07a2d", "#4c956c", "#b23a48", "#8d99ae"
CYCLE = (
    BLUE,
    ORANGE,
    GREEN,
    RED,
    "#7b5ea7",
    "#c9a227",
    "#3aa0a8",
    "#a4506c",
    "#6b705c",
    "#5f7adb",
    "#98c379",
    "#d19a66",
)
SEQUENTIAL = "viridis"
WIDTH, WIDE = 6.6, 11.0  # inches of a figure in one of two columns of the page, and across both

_SETTINGS: dict[Any, Any] = {
    "font.size": 9.0, "axes.titlesize": 11.0, "axes.titleweight": "bold", "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": "#e6e8ec", "axes.axisbelow": True,
    "legend.frameon": False, "svg.hashsalt": "ddcrm", "svg.fonttype": "path", "figure.dpi": 100.0,
}  # fmt: skip


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """A function whose figure looks as all of them; no global state of matplotlib is touched."""

    @wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> Figure:
        import matplotlib as mpl

        with mpl.rc_context(_SETTINGS):
            return draw(*args, **kwargs)

    return inside


def figure(title: str, width: float = WIDTH, height: float = 4.0) -> tuple[Figure, Axes]:
    """A figure with one pair of axes, in inches; to be called in a function that is `styled`."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    axes = made.add_subplot()
    axes.set_title(title, loc="left")
    return made, axes


def labelled(axes: Axes, x: str, y: str) -> None:
    """Name both axes."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def heat_map(
    axes: Axes,
    values: Any,
    rows: Sequence[str],
    columns: Sequence[str],
    form: str | None = None,
    most: float | None = None,
) -> Any:
    """A matrix as colours, the first row on top, its cells labelled with `form` (None: not at all); returns the image.

    NaN cells stay empty. The colours go from 0 to `most`, or from the least value to the greatest.
    """
    import numpy as np

    values = np.asarray(values, dtype=float)
    axes.grid(visible=False)
    image = axes.imshow(np.ma.masked_invalid(values), cmap=SEQUENTIAL, aspect="auto",
                        vmin=None if most is None else 0.0, vmax=most)  # fmt: skip
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    if form is None or not np.isfinite(values).any():
        return image
    middle = sum(image.get_clim()) / 2
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            shade = "black" if value > middle else "white"
            axes.text(column, row, form.format(value), ha="center", va="center", color=shade, fontsize=7.5)
    return image


def thousands(axes: Axes, which: str = "y") -> None:
    """Numbers of an axis with separators."""
    from matplotlib.ticker import FuncFormatter

    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if abs(value) >= 10 else f"{value:g}"))


def svg(made: Figure) -> str:
    """The figure as an SVG element: no date and no metadata in it, and its ids do not depend on the process."""
    import matplotlib as mpl

    out = io.StringIO()
    with mpl.rc_context(_SETTINGS):
        made.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return re.sub(r"\s*<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)


def png(made: Figure, dots_per_inch: int = 110) -> bytes:
    """The figure as a PNG."""
    out = io.BytesIO()
    made.savefig(out, format="png", dpi=dots_per_inch, metadata={"Software": None})
    return out.getvalue()
