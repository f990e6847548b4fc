"""One step of the pipeline in a process of its own: python -m bench.step STEP PROJECT OUT BEGUN FIRST LAST."""

from __future__ import annotations

import atexit
import os
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

from bench.marks import Marks

# progress points at which a part of a step is over
ENDS = {
    "extract.begin": "start",
    "conform.begin": "start",
    "validate.begin": "start",
    "audit.begin": "conform",
    "audit.end": "audit",
    "accept.committed": "commit",
    "train.begin": "start",
    "train.features": "features",
    "train.fit": "fit",
    "score.begin": "start",
    "score.features": "features",
    "score.computed": "scores",
    "score.staged": "write",
    "publish.begin": "start",
    "publish.loaded": "load",
    "publish.audited": "audit",
    "publish.committed": "swap",
}


def main(step: str, project: str, out: str, begun: str, first: str, last: str) -> NoReturn:
    """Run the step for the days from `first` to `last`; leave its marks and its result in the file `out`, and exit."""
    marks = Marks(float(begun))

    def heard(name: str, facts: dict[str, Any]) -> None:
        if name in ENDS:
            marks.end(ENDS[name])

    from ddcrm.progress import listening
    from ddcrm.settings import load_settings

    try:
        with listening(heard):
            result = _run(step, load_settings(Path(project)), first, last)
    except BaseException:
        traceback.print_exc()
        leave(1)
    marks.end("end")
    marks.save(Path(out), result=result.as_dict())
    leave(0)


def leave(code: int) -> NoReturn:
    """End the process as Airflow ends a task's: exit functions, then at once, without taking the interpreter apart."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run(step: str, settings: Any, first: str, last: str) -> Any:
    from ddcrm.dates import DateRange

    dates = DateRange.parse(first, last)
    if step in ("extract", "transform", "validate", "ingest"):
        from ddcrm.pipeline import ingest

        return getattr(ingest, step)(settings, "orders", dates)
    if step == "train":
        from ddcrm.pipeline.train import train

        return train(settings, dates.last)
    from ddcrm.pipeline import score

    return getattr(score, step)(settings, dates.last)


if __name__ == "__main__":
    main(*sys.argv[1:])
