"""What the demo says of a task that failed."""

from __future__ import annotations

from typing import Any

import pytest

from ddcrm.demo.watch import last_error

MESSAGE = {"level": "error", "logger": "ddcrm.task", "event": "MissingDataError: the file is not there"}
TRACE = {"level": "error", "logger": "task", "event": "Task failed with exception",
         "error_detail": [{"exc_type": "KeyError", "exc_value": "'x'", "frames": []}]}  # fmt: skip
INFO = {"level": "info", "logger": "ddcrm.task", "event": "land.written rows=3"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([INFO, MESSAGE, TRACE], "MissingDataError: the file is not there"),
        ([INFO, TRACE], "KeyError: 'x'"),
        ([INFO], ""),
        (["a line of an older log", INFO], ""),
        ([], ""),
    ],
)
def test_the_message_of_the_library_comes_first(content: list[Any], said: str) -> None:
    assert last_error({"content": content}) == said
