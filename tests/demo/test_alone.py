"""An interrupt that came where Python can't raise it is not lost, and is no traceback."""

from __future__ import annotations

import gc
import os
import signal
import sys

import pytest

from ddcrm.demo.alone import interruptible, was_interrupted


class Interrupted:
    """The signal comes while this is being finalised."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):  # the handler runs between two steps of the interpreter
            pass


def test_an_interrupt_within_a_finaliser(capfd: pytest.CaptureFixture[str]) -> None:
    before = sys.unraisablehook
    with interruptible():
        assert not was_interrupted()
        one = Interrupted()
        del one
        gc.collect()
        assert was_interrupted()
    assert sys.unraisablehook is before
    assert "Traceback" not in capfd.readouterr().err


def test_an_interrupt_elsewhere_is_raised() -> None:
    with interruptible(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)
    with interruptible():
        assert not was_interrupted()
