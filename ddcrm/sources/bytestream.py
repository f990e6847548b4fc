"""The bytes of a text file: decompressed, decoded, and checked, as blocks of UTF-8."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from ddcrm.errors import ContractError, MalformedDataError
from ddcrm.sources.location import Location

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 4 << 20

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_BOMS = (  # the longer ones first: the one of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def text_blocks(location: Location, encoding: str, compression: str) -> Iterator[bytes]:
    """The file as UTF-8 without a byte order mark, in blocks that may end anywhere.

    A byte order mark wins over `encoding`. Raises MalformedDataError with line and byte for bytes that are not of the
    encoding, for a NUL byte, and for a compressed file that ends too early or is damaged.
    """
    with location.open() as stream:
        yield from _decoded(_decompressed(stream, location, compression), encoding, location.facts)


def _decompressed(stream: IO[bytes], location: Location, compression: str) -> Iterator[bytes]:
    with location.errors():
        head = stream.read(4)
        stream.seek(0)
    found = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "none")
    wanted = found if compression == "auto" else compression
    if wanted != found and wanted != "none" and head:
        raise MalformedDataError(
            f"the file is not compressed with {wanted}",
            **location.facts,
            hint="Write compression: auto in the contract, or deliver it compressed.",
        )
    if wanted == "none" or not head:
        yield from _raw(stream, location)
    else:
        yield from _inflated(stream, location, wanted)


def _raw(stream: IO[bytes], location: Location) -> Iterator[bytes]:
    while True:
        with location.errors():
            block = stream.read(BLOCK_BYTES)
        if not block:
            return
        yield block


def _inflated(stream: IO[bytes], location: Location, compression: str) -> Iterator[bytes]:
    import pyarrow as pa

    inflated = pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), compression)
    while block := _read_compressed(inflated, location, compression):
        yield block


def _read_compressed(stream: pa.NativeFile, location: Location, compression: str) -> bytes:
    with location.errors():
        try:
            return bytes(stream.read(BLOCK_BYTES))
        except OSError as error:
            if error.errno is not None:  # the storage failed, not the compression
                raise
            text = str(error).lower()
    what = "ends too early" if "truncated" in text else "is damaged"
    raise MalformedDataError(
        f"the {compression} file {what}",
        **location.facts,
        hint="Deliver it again: it was cut off or changed on its way.",
    )


@dataclass
class _Position:
    lines: int = 1
    bytes: int = 0


def _decoded(blocks: Iterator[bytes], encoding: str, facts: dict[str, Any]) -> Iterator[bytes]:
    first = next(blocks, b"")
    bom = next(((mark, name) for mark, name in _BOMS if first.startswith(mark)), None)
    codec = bom[1] if bom else encoding
    plain = _is_utf8(codec)
    try:
        decoder = codecs.getincrementaldecoder(codec)("strict")
    except LookupError:
        raise ContractError(f"there is no encoding {encoding!r}", **facts) from None
    at = _Position()
    for block in _with_end(first, blocks):
        text = _decode(decoder, block, at, codec, facts)
        data = block if plain else text.encode("utf-8")
        if plain and bom and at.bytes == 0:
            data = block[len(bom[0]) :]
        _check_nul(data, at.lines, at.bytes + len(block) - len(data) if plain else None, facts)
        at.lines += data.count(b"\n")
        at.bytes += len(block)
        yield data


def _with_end(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from blocks
    yield b""


def _is_utf8(codec: str) -> bool:
    try:
        return codecs.lookup(codec).name in ("utf-8", "utf-8-sig")
    except LookupError:
        return False


def _decode(decoder: codecs.IncrementalDecoder, block: bytes, at: _Position, codec: str, facts: dict[str, Any]) -> str:
    held = len(decoder.getstate()[0])  # bytes of a character that the last block began
    try:
        return decoder.decode(block, final=not block)
    except UnicodeDecodeError as error:
        line = at.lines + error.object[: error.start].decode(error.encoding, "ignore").count("\n")
        raise MalformedDataError(
            f"a byte that is not {codec.removesuffix('-sig')}",
            **facts,
            row=line,
            byte=at.bytes - held + error.start,
            hint="Name the file's encoding in the contract (cp1252? latin-1?), or have it written as UTF-8.",
        ) from None
    except UnicodeError:
        raise MalformedDataError(
            f"the file does not begin like {codec}",
            **facts,
            row=1,
            hint="It has no byte order mark: name the encoding with its byte order (utf-16-le).",
        ) from None


def _check_nul(data: bytes, line: int, offset: int | None, facts: dict[str, Any]) -> None:
    found = data.find(b"\0")
    if found < 0:
        return
    wide = data.count(b"\0") * 3 > len(data)
    hint = (
        "It looks like UTF-16: name the encoding in the contract."
        if wide
        else "Have the source write the file without it."
    )
    raise MalformedDataError(
        "a NUL byte",
        **facts,
        row=line + data.count(b"\n", 0, found),
        byte=None if offset is None else offset + found,
        hint=hint,
    )
