"""The registry: what is saved is whole, has one version for the same inputs, and is found by its as_of."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ddcrm import progress
from ddcrm.errors import ModelError, ModelNotFoundError
from ddcrm.models import BetaGeoNBD
from ddcrm.training.fingerprint import model_version
from ddcrm.training.registry import Registry

DAY = date(2026, 2, 1)
CARD = {"data_digest": "d1", "settings": {"unit_days": 7.0}, "follows": None, "code": "c1", "metrics": {}}


def model(r: float = 0.25) -> BetaGeoNBD:
    found = BetaGeoNBD()
    found.r_, found.alpha_, found.a_, found.b_ = r, 4.4, 0.8, 2.4
    return found


def content(root: Path) -> dict[str, str]:
    """Every file below `root` by the digest of its content."""
    files = [file for file in root.rglob("*") if file.is_file() and file.name != ".lock"]
    return {str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    ref = registry.save("bgnbd", DAY, model(), {**CARD, "notes": ["ä"]})
    assert registry.newest("bgnbd", DAY) == ref
    assert registry.load(ref).r_ == 0.25
    X = np.array([[2.0, 10.0, 30.0]])
    assert registry.load(ref).expected_purchases(X, 5.0) == model().expected_purchases(X, 5.0)
    assert (ref.card["name"], ref.card["trained_as_of"], ref.card["notes"]) == ("bgnbd", "2026-02-01", ["ä"])


def test_same_inputs_have_the_same_version_and_bytes(tmp_path: Path) -> None:
    for place in ("one", "two"):
        Registry(tmp_path / place).save("bgnbd", DAY, model(), CARD)
    Registry(tmp_path / "two").save("bgnbd", DAY, model(), CARD)
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert len(content(tmp_path / "one")) == 3


@pytest.mark.parametrize("change", [{"data_digest": "d2"}, {"settings": {}}, {"follows": "x"}, {"code": "c2"}])
def test_other_inputs_have_another_version(change: dict[str, Any]) -> None:
    assert model_version(DAY, {**CARD, **change}) != model_version(DAY, CARD)
    assert model_version(DAY, {**CARD, "metrics": {"silhouette": 1}}) == model_version(DAY, CARD)
    assert model_version(DAY, CARD).startswith("2026-02-01-")
    assert len(model_version(DAY, CARD)) == len("2026-02-01-") + 10


def test_newest_is_the_last_one_on_or_before_the_day(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    early = registry.save("bgnbd", date(2026, 1, 5), model(), CARD)
    late = registry.save("bgnbd", DAY, model(), CARD)
    assert registry.newest("bgnbd", date(2026, 1, 5)) == early
    assert registry.newest("bgnbd", date(2026, 1, 31)) == early
    assert registry.newest("bgnbd", date(2027, 1, 1)) == late
    with pytest.raises(ModelNotFoundError, match=r"on or before 2026-01-04.*ddcrm train") as caught:
        registry.newest("bgnbd", date(2026, 1, 4))
    assert caught.value.model == "bgnbd"


def test_trained_again_with_other_data_the_new_version_stands(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    old = registry.save("bgnbd", DAY, model(), CARD)
    new = registry.save("bgnbd", DAY, model(0.3), {**CARD, "data_digest": "d2"})
    assert registry.newest("bgnbd", DAY) == new
    assert registry.load(old).r_ == 0.25
    assert registry.find("bgnbd", DAY, CARD) == old
    assert registry.find("bgnbd", DAY, {**CARD, "code": "c9"}) is None


def test_a_withheld_model_leaves_the_one_before_or_its_reason(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.withhold("bgnbd", date(2026, 1, 1), "12 customers")
    with pytest.raises(ModelNotFoundError, match="withheld by the training as of 2026-01-01: 12 customers"):
        registry.newest("bgnbd", DAY)
    kept = registry.save("bgnbd", date(2026, 1, 5), model(), CARD)
    registry.save("bgnbd", DAY, model(), CARD)
    registry.withhold("bgnbd", DAY, "flat")
    assert registry.newest("bgnbd", DAY) == kept


def test_a_file_that_is_not_the_card_s_is_refused(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    ref = registry.save("bgnbd", DAY, model(), CARD)
    other = Registry(tmp_path / "other").save("bgnbd", DAY, model(0.9), CARD)
    (ref.folder / "model.skops").write_bytes((other.folder / "model.skops").read_bytes())
    with pytest.raises(ModelError, match="not the one of its card"):
        registry.load(ref)
    (ref.folder / "model.skops").unlink()
    with pytest.raises(ModelError, match=r"can't be read.*Train again"):
        registry.load(ref)


@pytest.mark.parametrize("where", ["train.writing", "train.saved", "train.current"])
def test_killed_anywhere_and_run_again_it_is_whole(tmp_path: Path, where: str) -> None:
    left_alone, killed = Registry(tmp_path / "alone"), Registry(tmp_path / "killed")
    left_alone.save("bgnbd", DAY, model(), CARD)
    before = killed.save("bgnbd", date(2026, 1, 5), model(), CARD)
    assert in_child(lambda: killed_at(where, lambda: killed.save("bgnbd", DAY, model(), CARD))) == signal.SIGKILL
    seen = killed.newest("bgnbd", DAY)
    assert seen.version in (before.version, model_version(DAY, CARD))
    assert killed.load(seen).r_ == 0.25
    killed.save("bgnbd", DAY, model(), CARD)
    found = {name: digest for name, digest in content(tmp_path / "killed").items() if "2026-01-05" not in name}
    assert found == content(tmp_path / "alone")


def test_two_savers_of_one_version_end_as_one(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    children = [os.fork() for _ in range(2)]
    if 0 in children:
        registry.save("bgnbd", DAY, model(), CARD)
        os._exit(0)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    assert sorted(content(tmp_path)) == [
        "bgnbd/2026-02-01-" + model_version(DAY, CARD)[-10:] + "/card.json",
        "bgnbd/2026-02-01-" + model_version(DAY, CARD)[-10:] + "/model.skops",
        "bgnbd/current/2026-02-01.json",
    ]


def killed_at(where: str, work: Callable[[], object]) -> None:
    def kill(name: str, facts: dict[str, Any]) -> None:
        if name == where:
            os.kill(os.getpid(), signal.SIGKILL)

    with progress.listening(kill):
        work()


def in_child(work: Callable[[], object]) -> int:
    """Run in a forked child; the signal that ended it."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])
