"""Estimators with scikit-learn's API, one module a method; each name is imported when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ddcrm.models.bgbb import BetaGeometricBetaBinomial
    from ddcrm.models.bgnbd import BetaGeoNBD
    from ddcrm.models.density import DensitySegments
    from ddcrm.models.gamma_gamma import GammaGamma
    from ddcrm.models.kmeans import KMeansSegments
    from ddcrm.models.mbgnbd import MBGNBD
    from ddcrm.models.pareto_nbd import ParetoNBD
    from ddcrm.models.persist import dump, dumps, load, loads
    from ddcrm.models.rfm import SEGMENT_CODES, RfmScores, rfm_code, rfm_scores, rfm_segment

__all__ = [
    "MBGNBD",
    "SEGMENT_CODES",
    "BetaGeoNBD",
    "BetaGeometricBetaBinomial",
    "DensitySegments",
    "GammaGamma",
    "KMeansSegments",
    "ParetoNBD",
    "RfmScores",
    "dump",
    "dumps",
    "load",
    "loads",
    "rfm_code",
    "rfm_scores",
    "rfm_segment",
]

_HOME = {
    "BetaGeoNBD": "bgnbd",
    "BetaGeometricBetaBinomial": "bgbb",
    "DensitySegments": "density",
    "GammaGamma": "gamma_gamma",
    "KMeansSegments": "kmeans",
    "MBGNBD": "mbgnbd",
    "ParetoNBD": "pareto_nbd",
    "RfmScores": "rfm",
    "SEGMENT_CODES": "rfm",
    "dump": "persist",
    "dumps": "persist",
    "load": "persist",
    "loads": "persist",
    "rfm_code": "rfm",
    "rfm_scores": "rfm",
    "rfm_segment": "rfm",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
