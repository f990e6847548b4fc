"""Score a day in children that kill themselves at a point: `python -m tests.scoring.killing PROJECT DAY POINT...`.

The children are forked from a process that has imported everything and has not yet worked: a fork of one that has
would carry locks of threads that do not exist in it.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import date
from pathlib import Path
from typing import Any

import ibis  # noqa: F401
import scipy.optimize  # noqa: F401
import sklearn.cluster  # noqa: F401
import skops.io  # noqa: F401

from ddcrm import progress
from ddcrm.pipeline.score import score
from ddcrm.settings import load_settings


def score_until(project: Path, day: date, point: str) -> None:
    """Score the day, and end by SIGKILL when `point` is reached."""

    def kill(name: str, facts: dict[str, Any]) -> None:
        if name == point:
            os.kill(os.getpid(), signal.SIGKILL)

    with progress.listening(kill):
        score(load_settings(project), day)


if __name__ == "__main__":
    for point in sys.argv[3:]:
        child = os.fork()
        if child == 0:
            score_until(Path(sys.argv[1]), date.fromisoformat(sys.argv[2]), point)
            os._exit(0)
        print(point, os.WTERMSIG(os.waitpid(child, 0)[1]))
