"""One step of the pipeline in a process of its own, as an Airflow task runs it: python -m bench.step STEP PROJECT ..."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

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


def main(step: str, project: str, out: str, begun: str, first: str, last: str) -> None:
    """Run the step for the days from `first` to `last`, and leave its marks and its result in the file `out`."""
    marks = Marks(float(begun))

    def heard(name: str, facts: dict[str, Any]) -> None:
        if name in ENDS:
            marks.end(ENDS[name])

    from ddcrm.progress import listening
    from ddcrm.settings import load_settings

    with listening(heard):
        result = _run(step, load_settings(Path(project)), first, last)
    marks.end("end")
    marks.save(Path(out), result=result.as_dict())


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
