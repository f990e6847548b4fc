"""Why a batch does not fit its contract: other spellings that read its values, new values, columns renamed.

Asked only once something is wrong; over landed text, of which no personal value is handed on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from ddcrm.contracts.arrived import Reading
from ddcrm.contracts.formats import to_strptime
from ddcrm.contracts.model import Column, Contract
from ddcrm.contracts.renames import Likeness
from ddcrm.lake.casts import missing_text, plain_cast
from ddcrm.lake.columns import columns_by_day, expression_columns
from ddcrm.lake.engine import Engine, literal, quoted, read_parquet
from ddcrm.lake.layout import LANDING_PARTITION, landing_table, until
from ddcrm.lake.spellings import DATES, NUMBERS, Spelling

READS = 0.95  # share of the values that a spelling must read
_ROWS = 20_000  # rows of a batch that are looked at
_BATCHES = 5  # earlier batches whose values are looked at
_LANDED = 92  # of so many landed ones: some may have come under the new name already


def landed_files(engine: Engine, source: str, day: date) -> list[str]:
    """The landed files of one batch."""
    return landing_table(engine.settings, source).files([(LANDING_PARTITION, "=", str(day))])


def reading(engine: Engine, contract: Contract, column: Column, day: date) -> Reading | None:
    """The other spelling in which nearly all values of a column can be read; None where no known one does it."""
    files = landed_files(engine, contract.source, day)
    if column.transform or not files:
        return None
    text = missing_text(column.source_name, contract.null_values)
    zone = column.timezone or contract.timezone
    found = [_tried(engine, contract, column, each, text, files, zone) for each in _spellings(column)]
    good = [each for each in found if each[0] >= READS]
    if not good:
        return None
    best = max(good, key=lambda each: (each[0], -each[1]))
    values = f"SELECT {text} AS v FROM ({_head(files)}) AS _landed"
    rivals = [spelling for share, away, spelling in good
              if (share, away) == best[:2] and _differ(engine, best[2], spelling, values)]  # fmt: skip
    return _reading(column, best[2], best[0], rivals)


def _differ(engine: Engine, one: Spelling, two: Spelling, values: str) -> bool:
    """Whether two spellings, both of which read the values, mean something else by them, or by those of other days."""
    if one.format and two.format:
        said = f"strftime(TIMESTAMP '2026-03-04 05:06:07', {literal(to_strptime(one.format))})"
        other = f"try_strptime({said}, {literal(to_strptime(two.format))})"
        return engine.con.execute(f"SELECT month({other}) IS DISTINCT FROM 3").fetchall() == [(True,)]
    if one.dated or two.dated:
        return False
    found = " <> ".join(f"TRY_CAST({each.of('v')} AS DOUBLE)" for each in (one, two))
    return engine.con.execute(f"SELECT count(*) > 0 FROM ({values}) WHERE {found}").fetchall() == [(True,)]


def _spellings(column: Column) -> Sequence[Spelling]:
    if column.type in ("date", "timestamp"):
        return DATES
    return NUMBERS if column.type.partition("(")[0] in ("integer", "double", "decimal") else ()


def _tried(
    engine: Engine, contract: Contract, column: Column, spelling: Spelling, text: str, files: list[str], zone: str
) -> tuple[float, float, Spelling]:
    """The share of the values that it reads, and how many days dates are then away from the batch, in the median."""
    strptime = to_strptime(spelling.format) if spelling.format else None
    value = plain_cast(column, f"CAST({spelling.of(f'({text})')} AS VARCHAR)", zone, strptime).value
    batch = f"CAST({quoted(LANDING_PARTITION)} AS TIMESTAMP)"
    away = f"median(abs(date_diff('day', CAST(({value}) AS TIMESTAMP), {batch})))" if spelling.dated else "0"
    query = f"SELECT count({text}), count(({value})), {away} FROM ({_head(files)}) AS _landed"
    values, read, days = engine.con.execute(query).fetchone()  # type: ignore[misc]
    return read / max(1, values), float(days or 0), spelling


def _head(files: Sequence[str]) -> str:
    return (
        f"SELECT * FROM {read_parquet(list(files))} ORDER BY {quoted(LANDING_PARTITION)}, _source, _line LIMIT {_ROWS}"
    )


def _reading(column: Column, best: Spelling, share: float, rivals: Sequence[Spelling]) -> Reading:
    kind, name = "date" if best.dated else "number", quoted(column.source_name)
    if rivals:
        return Reading(kind, " or ".join(each.name for each in (best, *rivals)), share, unclear=True)
    return Reading(kind, best.name, share, best.format, best.logic(name) if best.pattern else None)


def new_values(
    engine: Engine, contract: Contract, column: Column, day: date, most: int, least: int = 1
) -> tuple[str, ...]:
    """The values outside the column's enumeration, the most frequent first; () for a column with personal data.

    At most `most` values, each in at least `least` rows.
    """
    files = landed_files(engine, contract.source, day)
    if column.personal or column.transform or not files or not column.enum:
        return ()
    text = missing_text(column.source_name, contract.null_values)
    listed = ", ".join(map(literal, column.enum))
    query = (f"SELECT {text} AS v FROM {read_parquet(files)} AS _landed WHERE {text} NOT IN ({listed}) "
             f"GROUP BY 1 HAVING count(*) >= {int(least)} ORDER BY count(*) DESC, v LIMIT {int(most)}")  # fmt: skip
    return tuple(value for (value,) in engine.con.execute(query).fetchall())


_LOGICAL = (("integer", "integer"), ("number", "double"), ("date", "date"), ("timestamp", "timestamp"))


def looks_like(engine: Engine, contract: Contract, name: str, day: date) -> tuple[str, float]:
    """The narrowest logical type that reads all values of a source's column, and the share of rows that have one."""
    text = missing_text(name, contract.null_values)
    casts = [plain_cast(Column(name, name, kind), text, contract.timezone, None).value for _, kind in _LOGICAL]
    counted = ", ".join(f"count(({value}))" for value in casts)
    files = read_parquet(landed_files(engine, contract.source, day))
    row = engine.con.execute(f"SELECT count(*), count({text}), {counted} FROM {files} AS _landed").fetchone()
    rows, filled, *read = row  # type: ignore[misc]
    kinds = (logical for (logical, _), number in zip(_LOGICAL, read, strict=True) if number == filled)
    return next(kinds, "string") if filled else "string", filled / max(1, rows)


def likenesses(
    engine: Engine, contract: Contract, day: date, missing: Sequence[str], added: Sequence[str]
) -> list[Likeness]:
    """How far each column that is gone is like each one that appeared, by this batch and the ones before it."""
    if not missing or not added:
        return []
    now = f"({_head(landed_files(engine, contract.source, day))})"
    earlier = _earlier(engine, contract.source, day)
    known = columns_by_day(engine, [(file, {LANDING_PARTITION: on}) for on in earlier for file in earlier[on]])
    brought = {name: [on for on in sorted(known) if name.lower() in map(str.lower, known[on])][-_BATCHES:]
               for name in missing}  # fmt: skip
    files = {name: [file for on in days for file in earlier[on]] for name, days in brought.items()}
    return [_likeness(engine, contract, one, two, now, files[one]) for one in missing for two in added]


def _earlier(engine: Engine, source: str, day: date) -> dict[str, list[str]]:
    """The landed files of the days with rows before a day, by day."""
    listing = landing_table(engine.settings, source).listing(until(LANDING_PARTITION, day - timedelta(days=1)))
    found: dict[str, list[str]] = {}
    for file, partition in listing:
        if not file.endswith("-empty.parquet"):
            found.setdefault(partition[LANDING_PARTITION], []).append(file)
    return {day: found[day] for day in sorted(found)[-_LANDED:]}


def _likeness(
    engine: Engine, contract: Contract, missing: str, added: str, now: str, earlier: Sequence[str]
) -> Likeness:
    """`earlier`: landed files that have the missing column."""
    column = source_column(contract, missing)
    text = missing_text(added, contract.null_values)
    cast = plain_cast(column, text, contract.timezone, to_strptime(column.format) if column.format else None)
    readable = "1.0" if column.transform else f"count(*) FILTER (({cast.value}) IS NOT NULL) / nullif(count({text}), 0)"
    share = engine.con.execute(f"SELECT {readable} FROM {now} AS _landed").fetchone()
    like = Likeness(
        missing, added, float((share or [0])[0] or 0), typed=column.type != "string" and not column.transform
    )
    if not earlier:
        return like
    before = missing_text(missing, contract.null_values)
    values = _compared(engine, f"SELECT {text} AS v FROM {now} AS _landed",
                       f"SELECT {before} AS v FROM ({_head(earlier)}) AS _landed")  # fmt: skip
    return replace(like, **values)


_SHAPE = r"regexp_replace(regexp_replace({0}, '\d+', '9', 'g'), '\pL+', 'a', 'g')"


def _compared(engine: Engine, now: str, before: str) -> dict[str, Any]:
    """Shares of the distinct values that were known and of shapes that were; the ratio of medians of numbers."""
    number = "TRY_CAST(v AS DOUBLE)"
    numeric = f"count({number}) >= 0.9 * count(v) AND count(v) > 0"
    median = f"CASE WHEN {numeric} THEN median(abs({number})) FILTER ({number} <> 0) END"
    whole = f"count(*) FILTER ({number} % 1 = 0) >= 0.9 * count({number})"
    shape = _SHAPE.format("v")
    query = f"""
        WITH n AS ({now}), b AS ({before})
        SELECT
            (SELECT avg(CAST(v IN (SELECT v FROM b WHERE v IS NOT NULL) AS INTEGER))
             FROM (SELECT DISTINCT v FROM n WHERE v IS NOT NULL)),
            (SELECT count(DISTINCT v) FROM n),
            (SELECT avg(CAST({shape} IN (SELECT {shape} FROM b WHERE v IS NOT NULL) AS INTEGER)) FROM n),
            (SELECT {median} FROM n) / (SELECT nullif({median}, 0) FROM b),
            (SELECT {whole} FROM n), (SELECT {whole} FROM b)
    """
    known, distinct, shaped, ratio, now_whole, was_whole = engine.con.execute(query).fetchone()  # type: ignore[misc]
    flipped = bool(ratio) and (now_whole, was_whole) == ((True, False) if ratio > 1 else (False, True))
    return {"known": known, "distinct": distinct, "shaped": shaped, "ratio": ratio or None, "flipped": flipped}


def source_column(contract: Contract, name: str) -> Column:
    """The first column of the contract that reads a column of the source."""
    plain = [column for column in contract.columns if column.source_name.lower() == name.lower()]
    return (plain + [column for column in contract.columns if column.transform and _reads(column, name)])[0]


def _reads(column: Column, name: str) -> bool:
    return name.lower() in (used.lower() for used in expression_columns(column.transform or ""))
