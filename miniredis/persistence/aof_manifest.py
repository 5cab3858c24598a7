"""The manifest: which files, in which order, make up the append-only file.

One file per rewrite would be simple, if it were not written to while being rewritten.  So the log is a *base*, a
snapshot, and *increments*, the commands since.  A rewrite opens a new increment, writes a new base beside, and then
exchanges the manifest, which is the one moment that counts: before it the old files are the log, after it the new ones.

    file appendonly.aof.2.base.rdb seq 2 type b        the base, one at most
    file appendonly.aof.1.incr.aof seq 1 type h        history: part of no log any more, to be deleted
    file appendonly.aof.2.incr.aof seq 2 type i        increments, in order

Pure text here; aof_folder.py does it to files.

Source: Redis 7.2 `aof.c`, "AOF Manifest".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from miniredis.engine import quoted
from miniredis.wire.requests import split_words

LINE_MAX = 1024  # bytes, newline included


class ManifestError(Exception):
    """The manifest cannot be used: `reason`, found in `line` (counted from 1, 0 when no line is to blame)."""

    def __init__(self, reason: str, line: int = 0, text: str = "") -> None:
        super().__init__(f"line {line}, {text!r}: {reason}" if line else reason)
        self.reason, self.line, self.text = reason, line, text


class LogFile(NamedTuple):
    """One file of the log.  kind: b base, i increment, h history."""

    name: str
    sequence: int
    kind: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says.  Immutable: a change is a new one, so the old stands until the new is on the disk."""

    base: LogFile | None = None
    increments: tuple[LogFile, ...] = ()
    history: tuple[LogFile, ...] = ()

    @property
    def files(self) -> tuple[LogFile, ...]:
        """What is to be loaded, in order."""
        return (*((self.base,) if self.base else ()), *self.increments)

    def text(self) -> str:
        """As it stands in the file: base, history, increments."""
        base = (self.base,) if self.base else ()
        return "".join(
            f"file {as_word(file.name)} seq {file.sequence} type {file.kind}\n"
            for file in (*base, *self.history, *self.increments)
        )

    # -- the steps of a rewrite -----------------------------------------------------------------------------------

    def next_base(self, prefix: str) -> LogFile:
        """What a rewrite that succeeds now would call its base.  prefix: `appendfilename`."""
        sequence = self.base.sequence + 1 if self.base else 1
        return LogFile(f"{prefix}.{sequence}.base.rdb", sequence, "b")

    def next_increment(self, prefix: str) -> LogFile:
        """The name is none that history still lists: what is to be deleted must not be what is written to."""
        old = [file for file in self.history if file.name == f"{prefix}.{file.sequence}.incr.aof"]
        sequence = max((file.sequence for file in (*self.increments, *old)), default=0) + 1
        return LogFile(f"{prefix}.{sequence}.incr.aof", sequence, "i")

    def with_increment(self, file: LogFile) -> Manifest:
        """Another increment follows: a rewrite begins."""
        return replace(self, increments=(*self.increments, file))

    def rewritten(self, base: LogFile, increments: int = 1) -> Manifest:
        """A rewrite has ended: `base` replaces everything before the last `increments` increments."""
        kept = len(self.increments) - increments
        old = (*self.increments[:kept], *((self.base,) if self.base else ()))
        history = tuple(file._replace(kind="h") for file in old)
        return Manifest(base, self.increments[kept:], (*history, *self.history))

    def without_history(self) -> Manifest:
        """What was no longer needed is deleted."""
        return replace(self, history=())


def parse(text: str) -> Manifest:
    """Read a manifest.  Raises ManifestError."""
    base: LogFile | None = None
    increments: list[LogFile] = []
    history: list[LogFile] = []
    if not text:
        raise ManifestError("Found an empty AOF manifest")
    *lines, rest = text.split("\n")
    for number, line in enumerate(lines, 1):
        if line.startswith("#"):
            continue
        try:
            file = parse_line(line)
            if file.kind == "b":
                if base is not None:
                    raise ValueError("Found duplicate base file information")
                base = file
            elif file.kind == "h":
                history.append(file)
            elif file.kind == "i":
                if increments and file.sequence <= increments[-1].sequence:
                    raise ValueError("Found a non-monotonic sequence number")
                increments.append(file)
            else:
                raise ValueError("Unknown AOF file type")
        except ValueError as error:
            raise ManifestError(str(error), number, line) from None
    if rest and not rest.startswith("#"):
        raise ManifestError(TOO_LONG, len(lines) + 1, rest)
    return Manifest(base, tuple(increments), tuple(history))


INVALID = "Invalid AOF manifest file format"
TOO_LONG = "The AOF manifest file contains too long line"  # also said of one that does not end


def parse_line(line: str) -> LogFile:
    """`file NAME seq NUMBER type LETTER`, in any order, unknown pairs left for later versions.  Raises ValueError."""
    data = line.encode("utf-8", "surrogateescape")
    if len(data) >= LINE_MAX:
        raise ValueError(TOO_LONG)
    words = [word.decode("utf-8", "surrogateescape") for word in split_words(data) or ()]
    if len(words) < 6 or len(words) % 2:
        raise ValueError(INVALID)
    pairs = {key.lower(): value for key, value in zip(words[::2], words[1::2], strict=True)}
    name, sequence, kind = pairs.get("file", ""), pairs.get("seq", ""), pairs.get("type", "")
    if "/" in name or "\\" in name:
        raise ValueError("File can't be a path, just a filename")
    if not name or not kind or not (sequence.isascii() and sequence.isdecimal()) or int(sequence) == 0:
        raise ValueError(INVALID)
    return LogFile(name, int(sequence), kind[0])


def as_word(name: str) -> str:
    """`name` with quotes where a reader needs them."""
    plain = name.isascii() and name.isprintable() and not set(name) & set(" \"'\\")
    return name if plain and name else quoted(name.encode("utf-8", "surrogateescape"))
