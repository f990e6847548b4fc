"""The champion of a training: which method speaks for value, purchases and P(alive), and through which models."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Champion:
    """method: of the expected value; orders: of the expected purchases; alive: the model of P(alive), if there is one.

    versions: the version of each model that these need, from the same training.
    """

    method: str
    orders: str
    alive: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
