"""Model files: what comes back, whether the bytes are the same, and what is refused."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from ddcrm.errors import ModelError
from ddcrm.models.bgbb import BetaGeometricBetaBinomial
from ddcrm.models.bgnbd import BetaGeoNBD
from ddcrm.models.gamma_gamma import GammaGamma
from ddcrm.models.kmeans import KMeansSegments
from ddcrm.models.mbgnbd import MBGNBD
from ddcrm.models.pareto_nbd import ParetoNBD
from ddcrm.models.persist import TRUSTED_TYPES, dump, dumps, load, loads
from tests.models.cohort import bgnbd_cohort, gamma_gamma_cohort

TYPICAL = (0.25, 4.0, 0.8, 2.5)


def purchases() -> pd.DataFrame:
    return bgnbd_cohort(400, TYPICAL, 52)


def spend() -> pd.DataFrame:
    return gamma_gamma_cohort(400, (6.0, 4.0, 15.0))


def opportunities() -> pd.DataFrame:
    model = BetaGeometricBetaBinomial.with_parameters(alpha=1.2, beta=0.8, gamma=0.7, delta=2.8)
    return pd.DataFrame(model.simulate(np.full(2000, 6.0)))


def customers() -> pd.DataFrame:
    random = np.random.default_rng(1)
    columns = ["recency_days", "frequency", "monetary_value", "tenure_days"]
    return pd.DataFrame(random.lognormal(2, 1, (300, 4)), columns=columns)


MODELS = {
    "bgnbd": (lambda: BetaGeoNBD().fit(purchases()), lambda model: model.expected_purchases(purchases(), 26.0)),
    "mbgnbd": (lambda: MBGNBD().fit(purchases()), lambda model: model.discounted_purchases(purchases(), 0.01)),
    "gamma_gamma": (lambda: GammaGamma().fit(spend()), lambda model: model.expected_spend(spend())),
    "pareto_nbd": (lambda: ParetoNBD().fit(purchases()), lambda model: model.expected_purchases(purchases(), 26.0)),
    "bgbb": (
        lambda: BetaGeometricBetaBinomial().fit(opportunities()),
        lambda model: model.expected_purchases(opportunities(), 5),
    ),
    "kmeans": (lambda: KMeansSegments().fit(customers()), lambda model: model.predict(customers())),
}


INPUTS = {
    "bgnbd": purchases,
    "mbgnbd": purchases,
    "gamma_gamma": spend,
    "pareto_nbd": purchases,
    "bgbb": opportunities,
    "kmeans": customers,
}


class Foreign(BaseEstimator):
    """A type that nobody trusts."""

    touched = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        Foreign.touched = True


@pytest.mark.parametrize("name", MODELS)
class TestRoundTrip:
    def test_gives_the_same_answers_and_attributes(self, name: str, tmp_path: Path) -> None:
        fit, use = MODELS[name]
        model = fit()
        dump(model, tmp_path / "model.skops")
        again = load(tmp_path / "model.skops")
        assert type(again) is type(model)
        assert again.get_params() == model.get_params()
        np.testing.assert_array_equal(use(again), use(model))
        assert vars(again).keys() == vars(model).keys()
        for attribute, value in vars(model).items():
            np.testing.assert_equal(vars(again)[attribute], value)

    def test_the_same_model_is_the_same_bytes(self, name: str) -> None:
        fit, _ = MODELS[name]
        model = fit()
        content = dumps(model)
        assert dumps(fit()) == content
        assert dumps(loads(content)) == content
        assert dumps(model.fit(INPUTS[name]())) == content

    def test_no_address_and_no_time_is_in_the_file(self, name: str, tmp_path: Path) -> None:
        digest = dump(MODELS[name][0](), tmp_path / "model.skops")
        assert digest == hashlib.sha256((tmp_path / "model.skops").read_bytes()).hexdigest()
        with zipfile.ZipFile(tmp_path / "model.skops") as archive:
            assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
            assert b"__id__" not in archive.read("schema.json")


def test_another_process_writes_the_same_bytes() -> None:
    code = (
        "import hashlib; from tests.models.test_persist import MODELS, dumps\n"
        "print(*(hashlib.sha256(dumps(fit())).hexdigest() for fit, _ in MODELS.values()))"
    )
    root = Path(__file__).parents[2]
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert result.stdout.split() == [hashlib.sha256(dumps(fit())).hexdigest() for fit, _ in MODELS.values()]


def test_a_different_model_is_different_bytes() -> None:
    X = purchases()
    assert dumps(BetaGeoNBD().fit(X)) != dumps(BetaGeoNBD().fit(X.head(399)))


def test_dump_replaces_the_file_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(b"old")
    dump(BetaGeoNBD().fit(purchases()), path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.skops"]
    assert load(path).converged_


class TestRefusals:
    def test_a_file_with_a_type_that_is_not_trusted(self, tmp_path: Path) -> None:
        from skops import io as skops_io

        model = BetaGeoNBD().fit(purchases())
        model.more_ = Foreign()
        skops_io.dump(model, tmp_path / "model.skops")
        with pytest.raises(ModelError, match=r"not trusted: tests\.models\.test_persist\.Foreign"):
            load(tmp_path / "model.skops")
        assert not Foreign.touched

    def test_a_function_is_not_trusted_either(self, tmp_path: Path) -> None:
        from skops import io as skops_io

        skops_io.dump({"call": subprocess.check_output}, tmp_path / "model.skops")
        with pytest.raises(ModelError, match="subprocess"):
            load(tmp_path / "model.skops")

    def test_dump_writes_nothing_that_load_would_refuse(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="Foreign"):
            dump(Foreign(), tmp_path / "model.skops")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("content", [b"", b"not a zip", pickle.dumps({"a": 1})])
    def test_a_file_that_is_no_model(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "model.skops").write_bytes(content)
        with pytest.raises(ModelError, match="can't be read"):
            load(tmp_path / "model.skops")

    def test_a_damaged_file(self, tmp_path: Path) -> None:
        path = tmp_path / "model.skops"
        dump(KMeansSegments().fit(customers()), path)
        content = bytearray(path.read_bytes())
        content[200] ^= 0xFF
        path.write_bytes(content)
        with pytest.raises(ModelError, match="can't be read"):
            load(path)

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="can't be read"):
            load(tmp_path / "none.skops")


def test_only_our_own_types_and_those_of_scikit_learn_s_trees_are_trusted() -> None:
    others = {name for name in TRUSTED_TYPES if not name.startswith("ddcrm.models.")}
    f_regression = "sklearn.feature_selection._univariate_selection.f_regression"
    assert others == {"numpy.dtype", "sklearn.tree._tree.Tree", f_regression}
