"""The command line: `ddcrm`. Commands parse and print; what they run stands in `ddcrm.pipeline`."""

from __future__ import annotations

from ddcrm.cli.app import app, main

__all__ = ["app", "main"]
