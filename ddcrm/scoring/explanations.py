"""Why somebody is in a segment, in the words of at most three questions on what the customer did."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isinf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddcrm.models.rule_tree import Bounds, RuleTree, rule_tree


@dataclass(frozen=True)
class Measure:
    """Something that a customer did: `words` with {} for how much of it, the value of each customer, (n,)."""

    words: str
    values: NDArray[Any]

    @property
    def whole(self) -> bool:
        """Whether it is counted in whole numbers."""
        return np.issubdtype(self.values.dtype, np.integer)

    def told(self, low: float, high: float) -> str:
        """That it is more than `low` and at most `high`, in words."""
        text = self.words.format(_amount(low, high, self.whole))
        return re.sub(r"\b1 (days|different products)\b", lambda found: f"1 {found[1][:-1]}", text)


@dataclass(frozen=True)
class Explanation:
    """What the questions say of each segment (a position in the scheme's names) that has customers.

    fidelity: the share of customers of whom the questions and the scheme say the same. told: the same share within
    each segment.
    """

    words: Mapping[int, str]
    fidelity: float
    told: Mapping[int, float]


def explained(measures: Sequence[Measure], codes: NDArray[np.integer[Any]], names: Sequence[str]) -> Explanation:
    """Explain a segmentation; codes: (n,) positions in names, n > 0. All customers are counted for the shares."""
    values = [measure.values for measure in measures]
    tree = rule_tree(values, codes, [measure.whole for measure in measures])
    counts = _counts(tree.leaf_of(values), codes, len(tree.nodes), len(names))
    sizes = counts.sum(axis=0)
    agreeing = [sum(counts[leaf, code] for leaf in _leaves_of(tree, code)) for code in range(len(names))]
    there = [code for code in range(len(names)) if sizes[code]]
    return Explanation(
        words={code: _words(tree, measures, code, counts, names) for code in there},
        fidelity=int(sum(agreeing)) / len(codes),
        told={code: int(agreeing[code]) / int(sizes[code]) for code in there},
    )


def _counts(leaves: NDArray[np.int8], codes: NDArray[Any], nodes: int, segments: int) -> NDArray[np.intp]:
    """Customers by leaf and segment, (nodes, segments)."""
    cells = leaves.astype(np.int64) * segments + codes
    return np.bincount(cells, minlength=nodes * segments).reshape(nodes, segments)


def _leaves_of(tree: RuleTree, code: int) -> list[int]:
    return [leaf for leaf in tree.leaves() if tree.nodes[leaf].segment == code]


def _words(
    tree: RuleTree, measures: Sequence[Measure], code: int, counts: NDArray[np.intp], names: Sequence[str]
) -> str:
    bounds = tree.leaves()
    mine = _leaves_of(tree, code)
    if mine:
        return "; or ".join(_conditions(bounds[leaf], measures) for leaf in mine)
    leaf = max(bounds, key=lambda leaf: (counts[leaf, code], -leaf))
    like = names[tree.nodes[leaf].segment]
    return f"not told apart by three questions; most often, as {like}: {_conditions(bounds[leaf], measures)}"


def _conditions(bounds: Bounds, measures: Sequence[Measure]) -> str:
    told = [measures[column].told(*bounds[column]) for column in sorted(bounds)]
    return " and ".join(told) or "everybody"


def _amount(low: float, high: float, whole: bool) -> str:
    if isinf(low):
        return "none" if whole and high == 0 else f"at most {_number(high)}"
    if isinf(high):
        return "at least 1" if whole and low == 0 else f"more than {_number(low)}"
    if not whole:
        return f"more than {_number(low)} and at most {_number(high)}"
    least = int(low) + 1
    return f"exactly {_number(high)}" if least == high else f"{_number(least)} to {_number(high)}"


def _number(value: float) -> str:
    """Whole numbers as such, others with at most two decimals."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"
