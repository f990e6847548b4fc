"""density: crowds of customers who are alike, as the model found them, and the unusual ones."""

from __future__ import annotations

from ddcrm.scoring.schemes.base import Day, Scheme, Segmentation
from ddcrm.scoring.schemes.kmeans import clusters_of
from ddcrm.scoring.words import number


def find(day: Day) -> Segmentation | None:
    """The crowd of the nearest customer whom the model knows; None without a model."""
    return clusters_of("density", day, day.models.density.estimator)


def rule(day: Day, segment: str) -> str:
    """The mean of a crowd in the columns' own units."""
    model = day.models.density.estimator
    means = {model.names_[label]: mean for label, mean in model.means_.items()}
    if segment not in means:
        return "close to no crowd of customers who are alike"
    about = (f"{column} {number(value)}" for column, value in zip(model.columns, means[segment], strict=True))
    return f"in the crowd around {', '.join(about)}"


SCHEME = Scheme("density", find, rule, None)
