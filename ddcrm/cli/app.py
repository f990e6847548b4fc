"""The commands. Nothing heavy is imported before a command needs it: `ddcrm --help` answers at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ddcrm import __version__
from ddcrm.cli.output import Output, handled
from ddcrm.cli.restate_app import restate_app

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Data-driven CRM: from sources to customer segments and value scores in the warehouse.",
)
contract_app = typer.Typer(no_args_is_help=True, help="Contracts: what arrives.")
warehouse_app = typer.Typer(no_args_is_help=True, help="The warehouse: what is published.")
app.add_typer(contract_app, name="contract")
app.add_typer(warehouse_app, name="warehouse")
app.add_typer(restate_app, name="restate")

DAY = "YYYY-MM-DD"
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Sources = Annotated[list[str] | None, typer.Argument(help="Sources; all of them where none is named.")]
First = Annotated[str | None, typer.Option("--from", metavar=DAY, help="First day.")]
Last = Annotated[str | None, typer.Option("--to", metavar=DAY, help="Last day (included).")]
Day = Annotated[str | None, typer.Option("--date", metavar=DAY, help="One day.")]
AsOf = Annotated[str, typer.Option("--as-of", metavar=DAY, help="The day at whose end things were known.")]


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(  # noqa: D103 - a docstring would stand in the help
    ctx: typer.Context,
    project: Annotated[Path | None, typer.Option(help="Folder of ddcrm.toml; here or above where absent.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and every step.")] = False,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Print the version and stop.")
    ] = False,
) -> None:
    ctx.obj = Output(project=project, debug=debug)


@app.command()
def ingest(
    ctx: typer.Context,
    sources: Sources = None,
    day: Day = None,
    first: First = None,
    last: Last = None,
    json: Json = False,
) -> None:
    """Extract, conform and audit days of some or all sources."""
    from ddcrm.cli import commands

    with handled(ctx, json) as out:
        commands.ingest(out, sources or [], commands.days(day, first, last))


@app.command()
def train(ctx: typer.Context, as_of: AsOf, json: Json = False) -> None:
    """Train the models on what was known at the end of a day."""
    from ddcrm.cli import commands

    with handled(ctx, json) as out:
        commands.train(out, as_of)


@app.command()
def score(ctx: typer.Context, as_of: AsOf, json: Json = False) -> None:
    """Score all customers as of a day and publish the day."""
    from ddcrm.cli import commands

    with handled(ctx, json) as out:
        commands.score(out, as_of)


@app.command()
def run(
    ctx: typer.Context,
    first: Annotated[str, typer.Option("--from", metavar=DAY, help="First day.")],
    last: Annotated[str, typer.Option("--to", metavar=DAY, help="Last day (included).")],
    retrain: Annotated[bool, typer.Option("--train", help="Train as of the first day in any case.")] = False,
    json: Json = False,
) -> None:
    """Ingest the days, train where it is due, score and publish.

    Training is due on Sundays, and where no model is there yet.
    """
    from ddcrm.cli import commands

    with handled(ctx, json) as out:
        commands.run(out, commands.days(None, first, last), retrain=retrain)


@app.command()
def plan(ctx: typer.Context, first: First = None, last: Last = None, json: Json = False) -> None:
    """What must be restated; changes nothing.

    Restated is what contracts, suites, code, models or late batches have changed.
    """
    from ddcrm.cli import commands
    from ddcrm.cli.plan import plan as show

    with handled(ctx, json) as out:
        show(out, commands.days(None, first, last) if first or last else None)


@app.command()
def backfill(
    ctx: typer.Context,
    first: Annotated[str, typer.Option("--from", metavar=DAY, help="First day.")],
    last: Annotated[str, typer.Option("--to", metavar=DAY, help="Last day (included).")],
    dag: Annotated[str, typer.Option(help="The DAG to run.")] = "crm_ingest",
    runs: Annotated[int, typer.Option("--max-active-runs", min=1, help="Days at once.")] = 1,
    behavior: Annotated[
        Literal["none", "failed", "completed"], typer.Option("--reprocess", help="Which days to run again.")
    ] = "completed",
    backwards: Annotated[bool, typer.Option("--run-backwards", help="The newest day first.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Ask Airflow to run them.")] = False,
    json: Json = False,
) -> None:
    """Say which partitions a range of days means.

    With --yes Airflow is asked to run them.
    """
    from ddcrm.cli import backfill as command
    from ddcrm.cli import commands

    with handled(ctx, json) as out:
        command.backfill(out, commands.days(None, first, last), dag, runs, behavior, backwards=backwards, yes=yes)


@app.command()
def status(ctx: typer.Context, json: Json = False) -> None:
    """What is published, what arrived last, what failed."""
    from ddcrm.cli import commands

    with handled(ctx, json) as out:
        commands.status(out)


@app.command()
def report(
    ctx: typer.Context,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar=DAY, help="The published day; the newest where absent.")
    ] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="The file; below the state folder where absent.")
    ] = None,
    json: Json = False,
) -> None:
    """Write the page of a published day.

    It shows value, segments, cohorts, what moved revenue.
    """
    from ddcrm.cli import commands

    with handled(ctx, json) as out:
        commands.report(out, as_of, out_file)


@app.command()
def clean(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it without being asked.")] = False,
    json: Json = False,
) -> None:
    """Remove what nobody needs any more.

    Superseded files of the lake, scored days on disk, what restatements keep or left.
    """
    from ddcrm.cli.clean import clean as command

    with handled(ctx, json) as out:
        command(out, dry_run=dry_run, yes=yes)


@app.command()
def doctor(ctx: typer.Context, json: Json = False) -> None:
    """Check everything that a run needs; says what to do about it.

    Looked at are settings, lake, contracts, suites, secrets and warehouse.
    """
    from ddcrm.cli.doctor import doctor as examine

    with handled(ctx, json) as out:
        examine(out)


@app.command()
def demo(
    ctx: typer.Context,
    stop: Annotated[bool, typer.Option("--exit", help="Stop Airflow when all is done.")] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Only run the company's systems, until Ctrl-C.")] = False,
    change: Annotated[
        str | None, typer.Option("--change-on", metavar=DAY, help="With --serve: the orders' schema changes that day.")
    ] = None,
) -> None:
    """Make the demo company and run the DAGs in a real Airflow."""
    with handled(ctx, False) as out:
        from ddcrm.cli import commands

        raise typer.Exit(commands.demo(out, change, serve=serve, stop=stop))


@contract_app.command("check")
def contract_check(ctx: typer.Context, sources: Sources = None, json: Json = False) -> None:
    """Validate contracts, and the suites that they name."""
    from ddcrm.cli import commands

    with handled(ctx, json) as out:
        commands.contract_check(out, sources or [])


@contract_app.command("diff")
def contract_diff(ctx: typer.Context, source: str, old: str, new: str, json: Json = False) -> None:
    """What a version changes against another, and how seriously."""
    from ddcrm.cli.contracts import diff

    with handled(ctx, json) as out:
        diff(out, source, old, new)


@contract_app.command("propose")
def contract_propose(
    ctx: typer.Context,
    source: str,
    batch: Annotated[str, typer.Option("--batch", metavar=DAY, help="The batch that looks otherwise.")],
    version: Annotated[str | None, typer.Option("--version", help="Of the new version; else the next one.")] = None,
    target: Annotated[Path | None, typer.Option("--out", help="The file; else the contract's own folder.")] = None,
    active: Annotated[bool, typer.Option("--active", help="Let it read at once: status active, not proposed.")] = False,
    json: Json = False,
) -> None:
    """Write the next version, from what changed in a batch.

    A person checks and commits it.
    """
    from ddcrm.cli.contracts import propose

    with handled(ctx, json) as out:
        propose(out, source, batch, version, target, active=active)


@warehouse_app.command("upgrade")
def warehouse_upgrade(ctx: typer.Context, json: Json = False) -> None:
    """Bring the warehouse's schema to this version."""
    from ddcrm.cli import commands

    with handled(ctx, json) as out:
        commands.warehouse_upgrade(out)


@warehouse_app.command("url")
def warehouse_url(ctx: typer.Context, json: Json = False) -> None:
    """Where the warehouse is, without its password, and a psql line."""
    from ddcrm.cli import commands

    with handled(ctx, json) as out:
        commands.warehouse_url(out)


@warehouse_app.command("psql", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def warehouse_psql(
    ctx: typer.Context,
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[ARGS]...", help="Such as -c 'SELECT 1'.")] = None,
) -> None:
    """Run psql on the warehouse, with psql's own arguments.

    The embedded server runs for as long as psql does.
    """
    from ddcrm.cli.psql import psql

    with handled(ctx, False) as out:
        raise typer.Exit(psql(out.settings, arguments or []))


def main() -> None:
    """The entry point of the console script."""
    app()
