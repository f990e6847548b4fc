"""One thread for linear algebra: sums by several threads differ in the last bits."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any


def one_thread() -> AbstractContextManager[Any]:
    """In the block BLAS and OpenMP work with one thread; the limit is the process's, not the thread's."""
    return _libraries().limit(limits=1)


@cache
def _libraries() -> Any:
    """BLAS and OpenMP of NumPy, SciPy and scikit-learn, found once: a search reads all that the process has mapped."""
    import scipy.linalg  # noqa: F401  with the next one: loads those that are not loaded yet
    import sklearn.utils.validation  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
