"""MBG/NBD: BG/NBD with a chance to leave right after the first purchase.

Batislam, Denizel & Filiztekin (2007), Empirical validation and comparison of models for customer base analysis,
International Journal of Research in Marketing 24(3); Hoppe & Wagner (2007), Customer base analysis: the case for a
central variant of the Betageometric/NBD model. A customer buys as a Poisson process with rate lambda ~ Gamma(r, alpha)
and after each purchase, the first one included, leaves with probability p ~ Beta(a, b).
"""

from __future__ import annotations

from typing import ClassVar

from ddcrm.models.bgnbd import BetaGeoNBD


class MBGNBD(BetaGeoNBD):
    """MBG/NBD, fitted by maximum likelihood; X, parameters, methods and what is learned are those of BetaGeoNBD.

    In the formulas of BG/NBD x + 1 stands for x wherever x counts the chances to leave, and a new customer may have
    left at once. So P(alive) of a customer without a repeat purchase falls with tenure, where BG/NBD has 1.
    """

    _model: ClassVar[str] = "mbgnbd"
    _first_chance: ClassVar[int] = 1
