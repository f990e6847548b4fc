"""`ddcrm warehouse psql`: psql on the warehouse, which keeps the embedded server up for as long as it runs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence

from ddcrm.settings import Settings


def psql(settings: Settings, arguments: Sequence[str]) -> int:
    """Run psql; returns its exit code. Ctrl-C is psql's own affair meanwhile."""
    from ddcrm.warehouse.connect import Warehouse
    from ddcrm.warehouse.programs import programs

    with Warehouse.open(settings) as warehouse:
        warehouse.ping()  # in the same words as every other command, where it does not answer
        program, *connection = warehouse.psql_arguments
        found = shutil.which(program) or str(programs() / "psql")
        before = signal.signal(signal.SIGINT, lambda *_: None)  # a handler, unlike SIG_IGN, is not inherited
        try:
            variables = {**os.environ, **warehouse.psql_environment}
            return subprocess.run([found, *connection, *arguments], env=variables).returncode
        finally:
            signal.signal(signal.SIGINT, before)
