"""What `ddcrm.models` offers, and that offering it costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import ddcrm.models


def test_the_public_names() -> None:
    assert set(ddcrm.models.__all__) == {
        "MBGNBD", "SEGMENT_CODES", "BetaGeoNBD", "BetaGeometricBetaBinomial", "DensitySegments", "GammaGamma",
        "KMeansSegments", "ParetoNBD", "RfmScores", "dump", "dumps", "load", "loads", "rfm_code", "rfm_scores",
        "rfm_segment",
    }  # fmt: skip
    assert dir(ddcrm.models) == sorted(ddcrm.models.__all__)


@pytest.mark.parametrize("name", ddcrm.models.__all__)
def test_each_name_is_there(name: str) -> None:
    offered = getattr(ddcrm.models, name)
    assert getattr(offered, "__name__", name) == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="NoSuchModel"):
        _ = ddcrm.models.NoSuchModel


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, ddcrm.models; print(sorted({'numpy', 'scipy', 'sklearn', 'pandas', 'skops'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
