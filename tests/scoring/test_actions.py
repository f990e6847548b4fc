"""The texts that say what to do: packaged ones for everything, a project's own over them, clear errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from ddcrm.errors import SettingsError
from ddcrm.models import SEGMENT_CODES
from ddcrm.models.cluster_names import WORDS
from ddcrm.scoring.actions import parse_actions, read_actions
from ddcrm.scoring.schemes import SCHEMES


def test_every_segment_has_a_packaged_action(tmp_path: Path) -> None:
    actions = read_actions(tmp_path)
    assert all(actions.of("rfm", name) for name in SEGMENT_CODES)
    fixed = {name: scheme.names for name, scheme in SCHEMES.items() if scheme.names}
    assert fixed.keys() == {"lifecycle", "loyalty", "rfm", "usage", "value_tier"}
    named = [(name, segment) for name, names in fixed.items() for segment in names]
    assert [one for one in named if not actions.of(*one)] == []
    traits = [word for pair in WORDS.values() for word in pair]
    texts = [actions.of("kmeans", trait) for trait in traits]
    assert all(texts)
    assert actions.of("kmeans", "low basket") == actions.texts["kmeans"]["default"]


def test_a_cluster_takes_the_entry_that_names_most_of_its_traits() -> None:
    actions = parse_actions(("a", '[kmeans]\n"lapsed" = "1"\n"lapsed, high spend" = "2"\n"new" = "3"\ndefault = "4"'))
    assert actions.of("kmeans", "lapsed, high spend, long-standing") == "2"
    assert actions.of("kmeans", "high spend, lapsed 2") == "2"
    assert actions.of("kmeans", "lapsed, low spend") == "1"
    assert actions.of("kmeans", "frequent") == "4"
    assert parse_actions(("a", "")).of("rfm", "Lost") is None


def test_a_project_overrides_single_texts(tmp_path: Path) -> None:
    (tmp_path / "segment_actions.toml").write_text('[rfm]\n"Lost" = "Let them go."\n', "utf-8")
    actions = read_actions(tmp_path)
    assert actions.of("rfm", "Lost") == "Let them go."
    assert actions.of("rfm", "Champions") == read_actions(tmp_path / "none").of("rfm", "Champions")


@pytest.mark.parametrize(
    ("text", "said"),
    [("[rfm", "not valid TOML"), ("[rmf]\na = 'b'", "unknown scheme 'rmf'"),
     ("[rfm]\n'Lost' = 3", "Lost must be a text"), ("rfm = 'x'", "must be a text"),
     ("[usage]\n'Heavy' = 'x'", r"no segment 'Heavy'.*heavy, medium"),
     ("[kmeans]\n'recent, rich' = 'x'", r"no segment 'recent, rich'.*Traits: average")],
)  # fmt: skip
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "segment_actions.toml").write_text(text, "utf-8")
    with pytest.raises(SettingsError, match=f"segment_actions.toml.*{said}"):
        read_actions(tmp_path)
