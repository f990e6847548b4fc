"""The models that a day is scored with: each is there with its version, or missing with the reason."""

from __future__ import annotations

from dataclasses import dataclass
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
    """The models of one as_of."""

    bgnbd: ScoringModel = ScoringModel("bgnbd", missing="not trained")
    gamma_gamma: ScoringModel = ScoringModel("gamma_gamma", missing="not trained")
    kmeans: ScoringModel = ScoringModel("kmeans", missing="not trained")

    @property
    def versions(self) -> dict[str, str]:
        """The versions of those that are there."""
        models = (self.bgnbd, self.gamma_gamma, self.kmeans)
        return {model.name: model.version for model in models if model.version is not None}

    @property
    def withheld(self) -> str | None:
        """Why value scores are withheld; None where both models of value are there."""
        value = (self.bgnbd, self.gamma_gamma)
        reasons = [f"{model.name}: {model.missing}" for model in value if model.estimator is None]
        return "; ".join(reasons) or None
