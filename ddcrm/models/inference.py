"""What a fit by maximum likelihood says of its own precision.

All of it is asymptotic: it holds where there are many customers, and takes the model to be true.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import exp, log

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.utils.validation import check_is_fitted

Floats = NDArray[np.float64]


def covariance(hessian: Floats, parameters: Floats, turn: Floats | None = None) -> Floats:
    """Variances and covariances of positive parameters, (k, k), from the Hessian by their logarithms.

    The inverse of the observed information, and the delta method: d parameter / d log(parameter) = parameter.
    hessian: of the summed log-likelihood, negative definite. turn: (k, k), where the Hessian is by another point, of
    which the logarithms are turn @ point. It is applied to the inverse: a Hessian turned to a far origin has none.
    """
    half = np.linalg.inv(np.linalg.cholesky(-hessian))
    half = half if turn is None else np.einsum("ij,kj->ik", half, turn)
    return np.asarray(np.outer(parameters, parameters) * (half.T @ half))


class Inference(ABC):
    """Precision and information criteria of a fitted model; k parameters, in the order of `parameters_`."""

    log_likelihood_: float
    vcov_: Floats
    n_customers_: float

    @property
    @abstractmethod
    def parameters_(self) -> dict[str, float]:
        """The learned parameters by name."""

    @property
    def standard_errors_(self) -> dict[str, float]:
        """The standard error of each parameter, in its own unit: the root of the diagonal of vcov_."""
        check_is_fitted(self, "vcov_")
        return dict(zip(self.parameters_, np.sqrt(np.diag(self.vcov_)).tolist(), strict=True))

    @property
    def aic_(self) -> float:
        """Akaike's information criterion, 2 k - 2 log-likelihood: less is better, on the same customers."""
        check_is_fitted(self, "vcov_")
        return 2 * len(self.parameters_) - 2 * self.log_likelihood_

    @property
    def bic_(self) -> float:
        """Schwarz's criterion, k log(n) - 2 log-likelihood, with n the customers (the sum of weights)."""
        check_is_fitted(self, "vcov_")
        return len(self.parameters_) * log(self.n_customers_) - 2 * self.log_likelihood_

    def confidence_intervals(self, level: float = 0.95) -> dict[str, tuple[float, float]]:
        """For each parameter the interval that covers it with probability `level`.

        Wald's; that of a positive parameter on the scale of the logarithm, where the likelihood is closer to a normal
        one: always positive.
        """
        errors, free = self.standard_errors_, self._unbounded()
        wide = float(norm.ppf((1 + level) / 2))
        intervals = {}
        for name, value in self.parameters_.items():
            reach = wide * errors[name]
            if name in free:
                intervals[name] = (value - reach, value + reach)
            else:
                intervals[name] = (value / exp(reach / value), value * exp(reach / value))
        return intervals

    def _unbounded(self) -> frozenset[str]:
        """The names of the parameters that may be negative."""
        return frozenset()
