"""Models on disk: skops files, never pickle, and the same bytes for the same model.

A skops file is a zip of arrays and a `schema.json`. skops names arrays by memory addresses and stamps the time; here
arrays are named by their content and all stamps are the same, so a digest of the file is a digest of the model.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from ddcrm.errors import ModelError

TRUSTED_TYPES: tuple[str, ...] = (
    "ddcrm.models.bgbb.BetaGeometricBetaBinomial",
    "ddcrm.models.bgnbd.BetaGeoNBD",
    "ddcrm.models.champion.Bands",
    "ddcrm.models.champion.Champion",
    "ddcrm.models.gamma_gamma.GammaGamma",
    "ddcrm.models.density.DensitySegments",
    "ddcrm.models.kmeans.KMeansSegments",
    "ddcrm.models.mbgnbd.MBGNBD",
    "ddcrm.models.pareto_nbd.ParetoNBD",
    "ddcrm.models.regression.SpendRegression",
    "numpy.dtype",
    "sklearn.feature_selection._univariate_selection.f_regression",
    "sklearn.tree._tree.Tree",
)
"""The types beyond numbers, texts, containers and arrays that a model file may name."""

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the least time that a zip can tell


def dump(estimator: Any, path: str | os.PathLike[str]) -> str:
    """Write the estimator to `path`, whole or not at all, and return the SHA-256 of the file as hex.

    Raises ModelError if the estimator holds a type that `load` would refuse.
    """
    content = dumps(estimator)
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return hashlib.sha256(content).hexdigest()


def dumps(estimator: Any) -> bytes:
    """The bytes of the estimator's file; raises ModelError for a type that `load` would refuse."""
    from skops import io as skops_io

    content = _normalised(skops_io.dumps(estimator))
    _check_types(content, type(estimator).__name__)
    return content


def load(path: str | os.PathLike[str]) -> Any:
    """Read an estimator that `dump` wrote.

    Raises ModelError if there is no such file, it is not a model file, or it names a type outside TRUSTED_TYPES;
    nothing of the file is executed before its types are known.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ModelError("The model file can't be read", file=str(path), reason=str(error)) from error
    return loads(content, str(path))


def loads(content: bytes, name: str = "bytes") -> Any:
    """The estimator of the bytes that `dumps` made; `name` stands in the errors, which are those of `load`."""
    from skops import io as skops_io

    try:
        _check_types(content, name)
        return skops_io.loads(content, trusted=list(TRUSTED_TYPES))
    except (BadZipFile, KeyError, ValueError, TypeError, AttributeError, ImportError) as error:
        raise ModelError("The model file can't be read", file=name, reason=str(error)) from error


def _check_types(content: bytes, what: str) -> None:
    from skops import io as skops_io

    untrusted = sorted(set(skops_io.get_untrusted_types(data=content)) - set(TRUSTED_TYPES))
    if untrusted:
        reason = f"it holds types that are not trusted: {', '.join(untrusted)}"
        raise ModelError("The model is refused", file=what, reason=reason, hint="Only ddcrm's own models are trusted.")


def _normalised(content: bytes) -> bytes:
    """The same archive without memory addresses and times."""
    with ZipFile(io.BytesIO(content)) as archive:
        schema = json.loads(archive.read("schema.json"))
        files = {name: archive.read(name) for name in archive.namelist() if name != "schema.json"}
    names = {name: _content_name(name, data) for name, data in files.items()}
    entries = {names[name]: data for name, data in files.items()}
    entries["schema.json"] = json.dumps(_anonymous(schema, names)).encode()
    return _zipped(entries)


def _content_name(name: str, data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32] + Path(name).suffix


def _anonymous(node: Any, names: dict[str, str]) -> Any:
    """The schema without object ids (which only say what was one object in memory) and with the files' new names."""
    if isinstance(node, dict):
        kept = {key: value for key, value in node.items() if key != "__id__"}
        if isinstance(kept.get("file"), str):
            kept["file"] = names[kept["file"]]
        return {key: _anonymous(value, names) for key, value in kept.items()}
    return [_anonymous(item, names) for item in node] if isinstance(node, list) else node


def _zipped(entries: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", ZIP_STORED) as archive:
        for name in sorted(entries):
            entry = ZipInfo(name, _EPOCH)
            entry.create_system, entry.external_attr = 3, 0o600 << 16  # the same on every platform
            archive.writestr(entry, entries[name])
    return buffer.getvalue()
