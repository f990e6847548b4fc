"""rfm: the segment of the customer's three scores."""

from __future__ import annotations

import numpy as np

from ddcrm.models.rfm import SEGMENT_CODES, rfm_segment
from ddcrm.scoring.schemes.base import Day, Scheme, Segmentation
from ddcrm.scoring.scores import ALL_SCORES, rfm_positions

NAMES = tuple(SEGMENT_CODES)


def find(day: Day) -> Segmentation:
    """The segment of each customer's code."""
    segment = np.array([NAMES.index(name) for name in rfm_segment(*ALL_SCORES.T)], dtype=np.int8)
    return Segmentation("rfm", NAMES, segment[rfm_positions(day.scores.rfm)])


def rule(day: Day, segment: str) -> str:
    """The codes of a segment."""
    return f"RFM codes {', '.join(SEGMENT_CODES[segment])}"


SCHEME = Scheme("rfm", find, rule, NAMES)
