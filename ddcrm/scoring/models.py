"""The models that a day is scored with: each is there with its version, or missing with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ScoringModel:
    """One model; where `estimator` is None, `missing` says why."""

    name: str
    estimator: Any = None
    version: str | None = None
    missing: str | None = None


@dataclass(frozen=True)
class ScoringModels:
    """The models of one as_of; value: the Champion; parts: the models through which it speaks, by name."""

    value: ScoringModel = ScoringModel("value", missing="not trained")
    kmeans: ScoringModel = ScoringModel("kmeans", missing="not trained")
    density: ScoringModel = ScoringModel("density", missing="not trained")
    parts: Mapping[str, ScoringModel] = field(default_factory=dict)

    @property
    def versions(self) -> dict[str, str]:
        """The versions of those that are there."""
        models = (self.value, self.kmeans, self.density, *self.parts.values())
        return {model.name: model.version for model in models if model.version is not None}

    @property
    def withheld(self) -> str | None:
        """Why value scores are withheld, all or P(alive) alone; None where all are given."""
        if self.value.estimator is None:
            return f"value: {self.value.missing}"
        if self.value.estimator.alive is None:
            return "p_alive: no model that tells who has left could be fitted"
        return None
