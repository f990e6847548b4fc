"""A frame as the checks can take it: only the columns that are asked for, in types that every expectation knows.

Great Expectations works on pandas' own types. Decimals in object columns make it raise or take minutes (a sum of
20,000 took 20 s), nullable integers raise where two columns are compared, and days never equal the texts of a suite. So
it gets a copy: decimals as doubles (for checking only), days and moments as datetime64, and the suite's moments in the
type of the column they are held against.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from ddcrm.quality.suites import Expectation

_BOUNDS = ("min_value", "max_value", "value_set")


def checkable(frame: pd.DataFrame, expectations: Sequence[Expectation], row_id: str) -> pd.DataFrame:
    """The columns that the expectations need, plainly typed, without `row_id`; the index counts from 0."""
    import pandas as pd

    wanted = {name for one in expectations for name in one.needed}
    whole = any(one.needs_whole_table for one in expectations)
    names = [name for name in frame.columns if name != row_id and (whole or name in wanted)]
    plain = {name: _plain(frame[name].reset_index(drop=True)) for name in names}
    return pd.DataFrame(plain, index=pd.RangeIndex(len(frame)), copy=False)


def fitted(expectations: Sequence[Expectation], frame: pd.DataFrame) -> list[Expectation]:
    """The expectations with days and moments written as text turned into those of the column's type (UTC)."""
    return [replace(one, kwargs=_fitted(one.kwargs, frame)) for one in expectations]


def _fitted(kwargs: Mapping[str, Any], frame: pd.DataFrame) -> dict[str, Any]:
    import pandas as pd

    column = kwargs.get("column")
    if column not in frame or not pd.api.types.is_datetime64_any_dtype(frame[column].dtype):
        return dict(kwargs)
    zone = getattr(frame[column].dtype, "tz", None)
    return {name: _moments(value, zone) if name in _BOUNDS else value for name, value in kwargs.items()}


def _moments(value: Any, zone: Any) -> Any:
    import pandas as pd

    if isinstance(value, list):
        return [_moments(one, zone) for one in value]
    if not isinstance(value, str):
        return value
    moment = pd.Timestamp(value)
    moment = moment.tz_localize("UTC") if moment.tzinfo is None else moment
    return moment.tz_convert(zone) if zone else moment.tz_convert("UTC").tz_localize(None)


def _plain(series: pd.Series) -> pd.Series:
    """The same values in a type that every expectation can work on."""
    kind = _kind(series)
    if kind == "boolean":
        return series.astype(object).where(series.notna(), None)
    if kind == "number":
        return series.astype("int64") if _is_whole(series) and not series.hasnans else series.astype("float64")
    if kind == "text":
        return series.astype("str")
    if kind == "moment":
        return _as_moments(series)
    return series


def _kind(series: pd.Series) -> str | None:
    """What has to be turned into a plain type: boolean, number, text, moment; None for what is plain already."""
    import numpy as np
    import pandas as pd

    types = pd.api.types
    if series.dtype == object:
        found = types.infer_dtype(series, skipna=True)
        return {"decimal": "number", "date": "moment", "datetime": "moment", "string": "text"}.get(found)
    if isinstance(series.dtype, np.dtype | pd.DatetimeTZDtype | pd.CategoricalDtype):
        return None
    if types.is_bool_dtype(series.dtype):
        return "boolean"
    if types.is_numeric_dtype(series.dtype):
        return "number"
    if isinstance(series.dtype, pd.ArrowDtype):
        return {"str": "text", "date": "moment", "datetime": "moment", "Timestamp": "moment"}.get(
            series.dtype.type.__name__
        )
    return None


def _is_whole(series: pd.Series) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_integer_dtype(series.dtype))


def _as_moments(series: pd.Series) -> pd.Series:
    """Days and moments as datetime64: moments that know their zone in UTC, the others without a zone."""
    import pandas as pd

    first = series.dropna().head(1)
    aware = len(first) and getattr(first.iloc[0], "tzinfo", None) is not None
    return pd.to_datetime(series.astype(object), utc=bool(aware))
