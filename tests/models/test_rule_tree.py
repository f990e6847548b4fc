"""The small tree: it finds rules that were planted, asks no idle question, and rounds without losing what it knew."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from ddcrm.models.rule_tree import ROUNDING_COSTS, RuleTree, rule_tree


def customers(n: int = 3000, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Days, and money with cents."""
    chance = np.random.default_rng(seed)
    return chance.integers(0, 400, n), np.round(chance.lognormal(3, 1, n), 2)


def walked(tree: RuleTree, row: tuple[float, ...]) -> int:
    """The segment of one customer, question by question."""
    node = tree.nodes[0]
    while node.column >= 0:
        node = tree.nodes[node.below if row[node.column] <= node.threshold else node.above]
    return node.segment


def test_a_planted_rule_is_found_with_its_thresholds() -> None:
    days, money = customers()
    codes = np.where(days <= 30, np.where(money > 20, 2, 1), 0)
    tree = rule_tree([days, money], codes, [True, False])
    assert [walked(tree, row) for row in zip(days, money, strict=True)] == codes.tolist()
    bounds = {tree.nodes[leaf].segment: bound for leaf, bound in tree.leaves().items()}
    assert bounds[0] == {0: (30.0, np.inf)}
    assert bounds[1] == {0: (-np.inf, 30.0), 1: (-np.inf, 20.0)}
    assert bounds[2] == {0: (-np.inf, 30.0), 1: (20.0, np.inf)}


def test_leaves_are_where_walking_ends() -> None:
    days, money = customers()
    codes = np.random.default_rng(2).integers(0, 3, len(days))
    tree = rule_tree([days, money], codes, [True, False])
    segments = np.array([node.segment for node in tree.nodes])[tree.leaf_of([days, money])]
    assert segments.tolist() == [walked(tree, row) for row in zip(days, money, strict=True)]


def test_a_question_with_one_answer_is_not_asked() -> None:
    days, money = customers()
    codes = np.where((days > 200) & (np.random.default_rng(3).random(len(days)) < 0.3), 1, 0)
    learned = DecisionTreeClassifier(max_depth=3, random_state=0).fit(np.column_stack([days, money]), codes).tree_
    tree = rule_tree([days, money], codes, [True, False])
    assert len(tree.nodes) < learned.node_count
    for node in tree.nodes:
        ends = [tree.nodes[answer] for answer in (node.below, node.above) if answer >= 0]
        assert len({end.segment for end in ends}) == len(ends) or any(end.column >= 0 for end in ends)


@pytest.mark.parametrize("seed", range(5))
def test_rounding_costs_no_more_than_it_may(seed: int) -> None:
    chance = np.random.default_rng(seed)
    days, money = customers(seed=seed)
    score = days / 37.3 + np.log1p(money) + chance.normal(0, 0.5, len(days))
    codes = np.digitize(score, np.quantile(score, [0.2, 0.55, 0.9]))
    X = np.column_stack([days, money])
    exact = np.mean(DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, codes).predict(X) == codes)
    tree = rule_tree([days, money], codes, [True, False])
    told = np.mean([walked(tree, row) for row in zip(days, money, strict=True)] == codes)
    assert exact - ROUNDING_COSTS - 1e-12 <= told
    thresholds = [node.threshold for node in tree.nodes if node.column >= 0]
    assert len(thresholds) >= 3
    assert max(len(f"{threshold:g}".replace(".", "").strip("0")) for threshold in thresholds) <= 3


def test_a_sample_is_learned_from_and_always_the_same_one() -> None:
    days, money = customers(40_000)
    codes = (days > 123).astype(np.int8)
    trees = [rule_tree([days, money], codes, [True, False], sample=1000) for _ in range(2)]
    assert trees[0] == trees[1]
    wrong = np.mean([walked(trees[0], row) for row in zip(days, money, strict=True)] != codes)
    assert wrong < 0.01


def test_one_segment_is_one_leaf() -> None:
    days, money = customers(50)
    tree = rule_tree([days, money], np.full(50, 4), [True, False])
    assert [node.segment for node in tree.nodes] == [4]
    assert tree.leaves() == {0: {}}
