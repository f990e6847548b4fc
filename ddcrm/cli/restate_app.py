"""`ddcrm restate`: from a plan to swapped-in days, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ddcrm.cli.output import handled

restate_app = typer.Typer(help="Restate what a change touches; swap it in; undo that.")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Id = Annotated[str, typer.Argument(help="The restatement, such as r1.")]
Why = Annotated[str, typer.Option("--why", help="The reason, for the ledger.")]
Jobs = Annotated[int, typer.Option("--jobs", min=1, help="Units of work at once.")]
PAGE = "Write the comparison, customers included, to this file: as a page, or as JSON where it ends in .json."
Page = Annotated[Path | None, typer.Option("--page", help=PAGE)]
First = Annotated[str | None, typer.Option("--from", help="First day of causes, YYYY-MM-DD.")]
Last = Annotated[str | None, typer.Option("--to", help="Last day of causes, YYYY-MM-DD (included).")]


@restate_app.callback(invoke_without_command=True)
def restate(
    ctx: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", help="Approve the plan, do it, and swap it in.")] = False,
    first: First = None,
    last: Last = None,
    why: Why = "asked for on the command line",
    jobs: Jobs = 2,
    page: Page = None,
    json: Json = False,
) -> None:
    """Plan and enter a restatement; with --yes do it, too. Run again after whatever stopped it: it goes on."""
    if ctx.invoked_subcommand is not None:
        return
    from ddcrm.cli import commands, restate

    with handled(ctx, json) as out:
        dates = commands.days(None, first, last) if first or last else None
        restate.propose(out, dates, why, yes=yes, jobs=jobs, page=page)


@restate_app.command("approve")
def approve(ctx: typer.Context, restatement: Id, why: Why = "", json: Json = False) -> None:
    """Approve a plan; or its comparison, where that goes beyond the limits of the settings."""
    from ddcrm.cli import restate

    with handled(ctx, json) as out:
        restate.approve(out, restatement, why)


@restate_app.command("run")
def run(ctx: typer.Context, restatement: Id, jobs: Jobs = 2, page: Page = None, json: Json = False) -> None:
    """Do the work of an approved restatement and compare; goes on where it was. Nothing is swapped in."""
    from ddcrm.cli import restate

    with handled(ctx, json) as out:
        restate.work(out, restatement, jobs, page)


@restate_app.command("swap")
def swap(ctx: typer.Context, restatement: Id, why: Why = "", json: Json = False) -> None:
    """Make the restated days those that readers see, all at once."""
    from ddcrm.cli import restate

    with handled(ctx, json) as out:
        restate.swap(out, restatement, why)


@restate_app.command("undo")
def undo(ctx: typer.Context, restatement: Id, why: Why = "", json: Json = False) -> None:
    """Bring back what a restatement replaced, as long as it is kept (restate.keep_days)."""
    from ddcrm.cli import restate

    with handled(ctx, json) as out:
        restate.undo(out, restatement, why)


@restate_app.command("drop")
def drop(ctx: typer.Context, restatement: Id, why: Why = "", json: Json = False) -> None:
    """Give up a restatement that was not swapped in, and remove its work."""
    from ddcrm.cli import restate

    with handled(ctx, json) as out:
        restate.drop(out, restatement, why)


@restate_app.command("list")
def listed(ctx: typer.Context, json: Json = False) -> None:
    """All restatements, the newest first: state, who, why."""
    from ddcrm.cli import restate

    with handled(ctx, json) as out:
        restate.listed(out)


@restate_app.command("show")
def show(ctx: typer.Context, restatement: Id, page: Page = None, json: Json = False) -> None:
    """What happened to a restatement, and its comparison."""
    from ddcrm.cli import restate

    with handled(ctx, json) as out:
        restate.show(out, restatement, page)
