"""A small decision tree that tells segments apart by thresholds a person can read and remember.

It explains a way of segmenting, it does not replace it: how often the two agree is to be measured beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Columns = Sequence[NDArray[Any]]
Codes = NDArray[np.integer[Any]]
Bounds = dict[int, tuple[float, float]]
"""For a column the bounds of its values: more than the first, at most the second."""

DEPTH = 3
SAMPLE = 20_000
ROUNDING_COSTS = 0.005  # the share of the sample that all rounding together may put into another segment than before
_DIGITS = (1, 2, 3)
_DECIMALS = 2


class Node(NamedTuple):
    """A question, whether the column's value is at most the threshold, and the nodes of the answers; or a leaf.

    A leaf has the column -1, and a segment.
    """

    column: int = -1
    threshold: float = 0.0
    below: int = -1
    above: int = -1
    segment: int = -1


@dataclass(frozen=True)
class RuleTree:
    """Nodes by number, 0 the root."""

    nodes: tuple[Node, ...]

    def leaf_of(self, values: Columns) -> NDArray[np.int8]:
        """The leaf that each customer falls into, (n,); values: one array (n,) a column."""
        leaves = np.zeros(len(values[0]), dtype=np.int8)

        def walk(number: int, here: NDArray[np.bool_]) -> None:
            node = self.nodes[number]
            if node.column < 0:
                leaves[here] = number
                return
            up_to = values[node.column] <= node.threshold
            walk(node.below, here & up_to)
            walk(node.above, here & ~up_to)

        walk(0, np.ones(len(leaves), dtype=np.bool_))
        return leaves

    def leaves(self) -> dict[int, Bounds]:
        """The bounds of each leaf, from the one with the least values on."""
        found: dict[int, Bounds] = {}

        def walk(number: int, bounds: Bounds) -> None:
            node = self.nodes[number]
            if node.column < 0:
                found[number] = bounds
                return
            low, high = bounds.get(node.column, (-np.inf, np.inf))
            walk(node.below, {**bounds, node.column: (low, min(high, node.threshold))})
            walk(node.above, {**bounds, node.column: (max(low, node.threshold), high)})

        walk(0, {})
        return found


def rule_tree(
    values: Columns, codes: Codes, whole: Sequence[bool], depth: int = DEPTH, sample: int = SAMPLE
) -> RuleTree:
    """The tree of at most `depth` questions that tells the segments of most customers (CART, Gini impurity).

    values: an array (n,) for each column, finite; codes: (n,) the segments; whole: whether a column holds whole
    numbers. Beyond `sample` customers a sample by position, the same for the same n, is learned from. Thresholds have
    as few digits as cost no more than ROUNDING_COSTS of agreement in sum.
    """
    picked = _sample(len(codes), sample)
    columns, wanted = [column[picked] for column in values], codes[picked]
    return _rounded(_learned(columns, wanted, depth), columns, wanted, whole)


def _sample(n: int, size: int) -> Any:
    if n <= size:
        return slice(None)
    return np.sort(np.random.default_rng(0).choice(n, size, replace=False))


def _learned(values: Columns, codes: Codes, depth: int) -> RuleTree:
    from sklearn.tree import DecisionTreeClassifier

    model = DecisionTreeClassifier(max_depth=depth, random_state=0).fit(np.column_stack(values), codes)
    found, nodes = model.tree_, list[Node]()

    def grow(number: int) -> int:
        """Add a node with all below it; a question both of whose answers lead to one segment is none."""
        position = len(nodes)
        nodes.append(Node(segment=int(model.classes_[found.value[number, 0].argmax()])))
        if found.children_left[number] >= 0:
            below, above = grow(found.children_left[number]), grow(found.children_right[number])
            nodes[position] = Node(int(found.feature[number]), float(found.threshold[number]), below, above)
            ends = set(nodes[position + 1 :])
            if len(ends) == 1:
                nodes[position:] = ends
        return position

    grow(0)
    return RuleTree(tuple(nodes))


def _rounded(tree: RuleTree, values: Columns, codes: Codes, whole: Sequence[bool]) -> RuleTree:
    needed = _agreeing(tree, values, codes) - ROUNDING_COSTS * len(codes)
    for number, node in enumerate(tree.nodes):
        if node.column >= 0:
            tree = _rounded_at(tree, number, values, codes, whole[node.column], needed)
    return tree


def _rounded_at(tree: RuleTree, number: int, values: Columns, codes: Codes, whole: bool, needed: float) -> RuleTree:
    threshold = tree.nodes[number].threshold
    exact = float(floor(threshold)) if whole else round(threshold, _DECIMALS)
    for rounder in (0.0, *(_significant(exact, digits) for digits in _DIGITS)):
        found = _with(tree, number, rounder)
        if _agreeing(found, values, codes) >= needed:
            return found
    return _with(tree, number, exact)


def _with(tree: RuleTree, number: int, threshold: float) -> RuleTree:
    node = tree.nodes[number]._replace(threshold=threshold)
    return RuleTree((*tree.nodes[:number], node, *tree.nodes[number + 1 :]))


def _agreeing(tree: RuleTree, values: Columns, codes: Codes) -> int:
    """Customers of whom tree and scheme say the same; fewer than none where a leaf has lost its last customer."""
    leaves = tree.leaf_of(values)
    if len(np.unique(leaves)) < len(tree.leaves()):
        return -len(codes) - 1
    return int(np.count_nonzero(np.array([node.segment for node in tree.nodes])[leaves] == codes))


def _significant(value: float, digits: int) -> float:
    """The value with so many significant digits, and not more decimals than are told."""
    return round(value, min(digits - 1 - floor(log10(abs(value))), _DECIMALS)) if value else 0.0
