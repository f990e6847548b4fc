"""Whether a figure can be read: nothing beyond its edges, no words on others."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def _box(text: Any) -> Any:
    return text.get_window_extent()


def _ticks(axis: Any) -> list[Any]:
    """The labels that are drawn: those of ticks within the axis."""
    low, high = sorted(axis.get_view_interval())
    labels = [tick.label1 if tick.label1.get_visible() else tick.label2
              for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]  # fmt: skip
    return [label for label in labels if label.get_text()]


def _touching(labels: list[Any]) -> list[tuple[str, str]]:
    """Upright labels, each with the next one."""
    upright = [label for label in labels if not label.get_rotation()]
    return [(a.get_text(), b.get_text()) for a, b in pairwise(upright) if _box(a).overlaps(_box(b))]


def unreadable(made: Figure) -> list[Any]:
    """Texts that are cut off, tick labels that touch the next one, words on the title."""
    FigureCanvasAgg(made).draw()
    whole, found = made.bbox, []
    for axes in made.axes:
        title: Any = axes._left_title  # type: ignore[attr-defined]
        legend = axes.get_legend()
        ticks = [_ticks(axis) for axis in (axes.xaxis, axes.yaxis)]
        texts = [title, axes.xaxis.label, axes.yaxis.label, *axes.texts, *(legend.get_texts() if legend else ()),
                 *ticks[0], *ticks[1]]  # fmt: skip
        for text in (text for text in texts if text.get_text()):
            box = _box(text)
            if box.x0 < -1 or box.y0 < -1 or box.x1 > whole.x1 + 1 or box.y1 > whole.y1 + 1:
                found.append(("cut off", text.get_text()))
        found += [*_touching(ticks[0]), *_touching(ticks[1])]
        if title.get_text():
            found += [("on the title", text.get_text()) for text in axes.texts if _box(title).overlaps(_box(text))]
    return found
