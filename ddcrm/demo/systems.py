"""The company's own systems, up for as long as the demo runs: its files, its database, its help desk.

`serve_systems` (`ddcrm demo --serve`) runs them alone, so that the commands can be tried on all sources by hand.
"""

from __future__ import annotations

import os
import shlex
import time
from contextlib import ExitStack
from datetime import date
from pathlib import Path

from ddcrm.dates import DateRange
from ddcrm.demo import serve
from ddcrm.demo.alone import alone, ignore_interrupts, interruptible
from ddcrm.demo.show import Show
from ddcrm.demo.world import World, build_world, source_variables
from ddcrm.errors import SettingsError, SourceUnavailableError
from ddcrm.settings import Settings

DATES = DateRange(date(2025, 1, 1), date(2026, 6, 30))
FILE = "demo.env"  # in the state folder: what a shell must know of the systems that are up


def start_systems(
    world: World, dates: DateRange, show: Show, stack: ExitStack, change_on: date | None = None
) -> serve.Running:
    """Make the company, fill its database, start its help desk; `stack` takes what is to be stopped.

    From `change_on` on the orders' files come in another layout: a change of schema to be dealt with.
    """
    from ddcrm.demo.company import make
    from ddcrm.demo.shop import load_shop_database

    with show.step("making the company's systems: files, a database, a help desk"):
        variants = {"cents": DateRange(change_on, dates.last)} if change_on else {}
        made = make(world.settings, first_day=dates.first, last_day=dates.last, variants=variants)
        load_shop_database(world.server.url(), world.folder)
        helpdesk = serve.start(world.folder, world.helpdesk_token, world.helpdesk_port)
        stack.callback(helpdesk.stop)
    show.line(f"{made.customers:,} customers, {sum(made.rows.values()):,} rows in {len(made.rows)} sources, {dates}")
    return helpdesk


def write_variables(world: World, stack: ExitStack) -> Path:
    """Write `export` lines for a shell, for nobody else to read; `stack` takes the file away again."""
    file = world.settings.state_dir / FILE
    file.unlink(missing_ok=True)
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in source_variables(world).items()]
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as target:
        target.writelines(lines)
    stack.callback(file.unlink, missing_ok=True)
    return file


def serve_systems(settings: Settings, change_on: date | None = None) -> int:
    """Keep the systems up until Ctrl-C; returns the exit code 0. No process and no secret is left behind.

    Raises SettingsError for a `change_on` out of the company's days, SourceUnavailableError where the help desk ends by
    itself.
    """
    if change_on is not None and change_on not in DATES:
        raise SettingsError(f"the company has no day {change_on}", hint=f"Choose one of {DATES}.")
    show = Show()
    with alone(settings), interruptible(), ExitStack() as stack:
        try:
            world = build_world(settings, stack)
            helpdesk = start_systems(world, DATES, show, stack, change_on)
            file = write_variables(world, stack)
            show.say(f"In another terminal: . {shlex.quote(str(file))}")
            show.say("Ctrl-C stops everything.")
            while helpdesk.process.poll() is None:
                time.sleep(0.5)
            raise SourceUnavailableError("the demo's help desk ended by itself", hint="See what it printed above.")
        except KeyboardInterrupt:
            return 0
        finally:
            ignore_interrupts()
            show.line("stopping")
