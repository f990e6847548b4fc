"""What the commands do: call steps, print what came of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from ddcrm.cli.output import Output
from ddcrm.dates import DateRange, parse_day
from ddcrm.errors import DdcrmError, SettingsError


def days(day: str | None, first: str | None, last: str | None) -> DateRange:
    """The range that --date, or --from and --to, mean."""
    if day and not (first or last):
        return DateRange.parse(day)
    if first and last and not day:
        return DateRange.parse(first, last)
    if day:
        raise SettingsError("--date and --from or --to exclude each other", hint="Give a day or a range.")
    raise SettingsError("which days?", hint="Give --date DAY, or --from DAY --to DAY.")


def ingest(out: Output, names: Sequence[str], dates: DateRange) -> list[str]:
    """All named sources, one after another; one that fails does not stop the others. Returns those that failed.

    Of a source that begins within the range the days before are left out; one that begins after it is an error where
    it was named, and else left out.
    """
    from ddcrm.pipeline.ingest import ingest as step
    from ddcrm.pipeline.ingest import readable

    failed = []
    for name in _chosen(out, names):
        try:
            days = readable(out.settings, name, dates)
            if days != dates:
                _say_left_out_days(out, name, dates, days)
            if days is None and not names:
                continue
            result = step(out.settings, name, days or dates)
        except DdcrmError as error:
            out.error(error)
            failed.append(name)
            continue
        out.add("ingested", result.as_dict())
        _say_ingested(out, result.as_dict())
    return failed


def _say_left_out_days(out: Output, name: str, dates: DateRange, readable: DateRange | None) -> None:
    left_out = DateRange(dates.first, readable.first - timedelta(days=1)) if readable else dates
    out.add("left_out", {"source": name, "dates": str(left_out), "reason": "no version of the contract reads them"})
    out.say(f"{name} {left_out}: no version of its contract reads these days")


def _chosen(out: Output, names: Sequence[str]) -> Sequence[str]:
    from ddcrm.contracts.odcs import suggest
    from ddcrm.pipeline.ingest import sources

    known = sources(out.settings)
    unknown = [name for name in names if name not in known]
    if unknown:
        hint = suggest(unknown[0], list(known)) or f"Known are {', '.join(known)}."
        raise SettingsError(f"there is no source {unknown[0]!r}", hint=hint)
    if not known:
        raise SettingsError(f"there are no contracts in {out.settings.contracts_dir}")
    return list(dict.fromkeys(names)) or known


def _say_ingested(out: Output, result: Mapping[str, Any]) -> None:
    kept = f"{result['conformed']:,} conformed"
    parts = [kept, *(f"{number:,} {word}" for word, number in _left_out(result) if number)]
    out.say(f"{result['source']} {result['dates']}: {result['landed']:,} landed = {' + '.join(parts)}")
    for word in ("quarantined", "excluded"):
        for reason, number in sorted(result[word].items(), key=lambda item: (-item[1], item[0])):
            out.say(f"    {word} {number:,}: {reason}")
    for warning in result["warnings"]:
        out.say(f"    warning: {warning}")


def _left_out(result: Mapping[str, Any]) -> list[tuple[str, int]]:
    return [
        ("quarantined", sum(result["quarantined"].values())),
        ("excluded", sum(result["excluded"].values())),
        ("duplicates", result["duplicates"]),
    ]


def train(out: Output, as_of: str) -> None:
    """Train all models."""
    from ddcrm.pipeline.train import train as step

    result = step(out.settings, parse_day(as_of, "--as-of"))
    out.add("trained", result.as_dict())
    out.say(f"trained as of {result.as_of} on {result.customers:,} customers")
    for name, version in result.versions.items():
        out.say(f"    {name} {version}")
    for name, reason in result.withheld.items():
        out.say(f"    {name} withheld: {reason}")
    if result.backtest:
        from ddcrm.cli.backtest import show

        show(out, result.backtest)


def score(out: Output, as_of: str) -> None:
    """Score and publish one day that was ingested."""
    from ddcrm.pipeline.ready import check_ready

    day = parse_day(as_of, "--as-of")
    check_ready(out.settings, day)
    _warn_of_a_gap(out, day)
    _score(out, day)


def _warn_of_a_gap(out: Output, day: date) -> None:
    """A person who asks for a day gets it, and is told that earlier ones are missing."""
    from ddcrm.pipeline.gaps import EarlierBatchMissingError, check_days_before

    try:
        check_days_before(out.settings, day)
    except EarlierBatchMissingError as gap:
        out.add("warnings", gap.as_dict())
        out.say(f"warning: {gap}")


def _score(out: Output, as_of: date) -> None:
    from ddcrm.pipeline.score import publish
    from ddcrm.pipeline.score import score as step

    scored = step(out.settings, as_of)
    published = publish(out.settings, as_of)
    out.add("published", {**scored.as_dict(), **published.as_dict()})
    out.say(f"{as_of} published: " + ", ".join(f"{table} {rows:,}" for table, rows in published.rows.items()))
    if scored.withheld:
        out.say(f"    value withheld: {scored.withheld}")
    for warning in published.warnings:
        out.say(f"    warning: {warning}")


def run(out: Output, dates: DateRange, *, retrain: bool) -> None:
    """Ingest the range, then day by day train where it is due, score and publish."""
    from ddcrm.pipeline.train import training_due

    if failed := ingest(out, [], dates):
        out.say(f"nothing was scored: mend what is said above of {', '.join(failed)}, and run again")
        return
    _warn_of_a_gap(out, dates.first)
    for day in dates:
        if (retrain and day == dates.first) or training_due(out.settings, day):
            train(out, str(day))
        _score(out, day)


def report(out: Output, as_of: str | None, file: Path | None) -> None:
    """Write the page of a published day."""
    from ddcrm.pipeline.report import report as write

    result = write(out.settings, parse_day(as_of, "--as-of") if as_of else None, file)
    out.document |= result.as_dict()
    out.say(f"{result.as_of}: {result.file}")


def contract_check(out: Output, names: Sequence[str]) -> None:
    """Load every version of the named sources' contracts, and their suites."""
    from ddcrm.contracts import load_contracts
    from ddcrm.contracts.describe import describe
    from ddcrm.pipeline.suites import check_source_suites

    contracts = load_contracts(out.settings.contracts_dir)
    for name in names or contracts.sources:
        for contract in contracts.versions(name):
            check_source_suites(out.settings, [contract])
            out.add("contracts", describe(contract))
            out.say(
                f"{name} {contract.version}: {contract.entity}, {len(contract.columns)} columns, "
                f"{contract.delivery}, from {contract.effective_from}, suite {contract.suite or '-'}: valid"
            )


def warehouse_upgrade(out: Output) -> None:
    """Create or migrate schemas, tables and views."""
    from ddcrm.warehouse.connect import Warehouse
    from ddcrm.warehouse.migrate import current_revision, upgrade

    with Warehouse.open(out.settings) as warehouse:
        upgrade(warehouse)
        revision = current_revision(warehouse)
        out.document |= {"url": warehouse.display_url, "revision": revision}
        out.say(f"{warehouse.display_url} is at revision {revision}")


def warehouse_url(out: Output) -> None:
    """Where the warehouse is."""
    from ddcrm.warehouse.connect import Warehouse

    with Warehouse.open(out.settings) as warehouse:
        out.document |= {"url": warehouse.display_url, "psql": warehouse.psql}
        out.say(warehouse.display_url)
        out.say("ddcrm warehouse psql" if out.settings.warehouse_url is None else warehouse.psql)


def demo(out: Output, change: str | None, *, serve: bool, stop: bool) -> int:
    """The whole demo, or with `serve` the company's systems alone; returns the exit code."""
    from ddcrm.demo.run import run_demo
    from ddcrm.demo.systems import serve_systems

    if serve:
        return serve_systems(out.settings, parse_day(change, "--change-on") if change else None)
    if change:
        raise SettingsError("--change-on is for systems that run alone: the demo's own days would fail",
                            hint="Say --serve, too.")  # fmt: skip
    return run_demo(out.settings, exit_when_done=stop)


def status(out: Output) -> None:
    """The ledger's summary."""
    from ddcrm.cli.status import show

    show(out)
