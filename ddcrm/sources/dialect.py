"""How a contract says that a CSV file is written."""

from __future__ import annotations

from dataclasses import dataclass

from ddcrm.contracts.model import Contract
from ddcrm.errors import ContractError

_WORDS = {"tab": "\t", "whitespace": "\t"}


@dataclass(frozen=True)
class Dialect:
    """Delimiter, quote and escape are one character each; where there are no quotes or escapes they are empty.

    A quote doubles inside a quoted field. An escape makes a delimiter, a quote, a line break or itself plain text;
    before any other character it is plain text itself. With `whitespace`, runs of blanks and tabs were made tabs.
    """

    delimiter: str = ","
    quote: str = '"'
    escape: str = ""
    whitespace: bool = False
    header: bool = True
    columns: tuple[str, ...] = ()  # the names, where there is no header
    skip_rows: int = 0  # lines before the header or the first row

    @property
    def special(self) -> str:
        """The characters with a meaning."""
        return self.delimiter + self.quote + self.escape


def dialect_of(contract: Contract) -> Dialect:
    """The dialect of a contract's CSV files; raises ContractError where its options don't fit together."""
    options = contract.server.options
    word = str(options.get("delimiter", ","))
    whitespace = word == "whitespace"
    quote = str(options.get("quote") or ("none" if whitespace or "quote" in options else '"'))
    dialect = Dialect(
        delimiter=_WORDS.get(word, word),
        quote="" if quote == "none" else quote,
        escape=_escape(options.get("escape"), quote),
        whitespace=whitespace,
        header=bool(options.get("header", True)),
        columns=tuple(options.get("columns") or ()),
        skip_rows=int(options.get("skip_rows", 0)),
    )
    problem = _problem(dialect)
    if problem:
        raise ContractError(problem, source=contract.source, version=contract.version, file=contract.file)
    return dialect


def _escape(escape: object, quote: str) -> str:
    return "" if escape in (None, "", "none", quote) else str(escape)


def _problem(dialect: Dialect) -> str | None:
    if len(dialect.delimiter) != 1 or max(len(dialect.quote), len(dialect.escape)) > 1:
        return "delimiter, quote and escape are one character each"
    if len(set(dialect.special)) < len(dialect.special) or set(dialect.special) & set("\r\n"):
        return "delimiter, quote and escape must be different characters, and no line breaks"
    if dialect.whitespace and dialect.quote:
        return "fields between runs of blanks can't be quoted"
    if not dialect.header and not dialect.columns:
        return "the file has no header, and the contract does not list its columns"
    return None
