"""Reading an RDB file: bytes in, keys out, one at a time.

The reader pulls: it is handed a function that reads the next bytes of the file.  What it gives is a generator, so the
caller decides how much to do at once and can answer clients in between (`-LOADING`): every key is a place to stop, and
a large collection has more of them inside.

Nothing in the file is believed before it is checked.  A length that the rest of the file cannot fill is an error at
once; a number of elements only bounds a loop; whatever is damaged ends in an RdbError with place and reason.  Memory is
bounded by what is really there.

It stops exactly behind the file's end, since an append-only file of Redis 4 to 6 goes on there with commands:
`position` is where.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any, NamedTuple

from durable.disk import File
from miniredis.numbers import parse_float
from miniredis.persistence import intset, listpack, quicklist, ziplist, zipmap
from miniredis.persistence import rdb_format as rdb
from miniredis.persistence.damage import Damaged
from miniredis.persistence.rdb_format import Limits, RdbError, RdbRefused
from miniredis.persistence.rdb_source import Source
from miniredis.persistence.rdb_values import make_hash, make_list, make_set, make_sorted_set

STEP = 1024  # elements of one collection between two places to stop

_DOUBLE = struct.Struct("<d")


class Entry(NamedTuple):
    """One key.  Whether one that has expired is wanted is for the caller to say."""

    database: int
    key: bytes
    value: Any
    expires_at_ms: int | None
    idle_seconds: int | None
    frequency: int | None


class Aux(NamedTuple):
    """Something the writer said about itself, such as `redis-ver`."""

    name: bytes
    value: bytes


class Notice(NamedTuple):
    """Something that was left out, or not checked: a line for the log."""

    text: str


class TableSizes(NamedTuple):
    """How many keys to expect in `database`; a hint, perhaps wrong."""

    database: int
    keys: int
    expiring: int


Event = Entry | Aux | Notice | TableSizes | None
"""None: nothing to tell, but a place to stop."""

Steps = Generator[None, None, Any]


class RdbReader:
    """Reads one file; see `events`."""

    def __init__(
        self,
        read: Callable[[int], bytes],
        limits: Limits,
        *,
        size: int | None = None,
        position: int = 0,
        databases: int | None = None,
        verify: bool = True,
    ) -> None:
        """
        read       the next bytes of the file, at most so many; b"" at the end
        limits     the settings that decide each collection's encoding
        size       the file's, if known: damaged lengths are seen sooner
        position   where in the file reading begins, for messages
        databases  how many there are to load into
        verify     rdbchecksum: whether the checksum is compared
        """
        self._source = Source(read, size, position)
        self._limits = limits
        self.databases = databases
        self._verify = verify
        self.version = 0

    @classmethod
    def of_file(
        cls, file: File, limits: Limits, *, position: int = 0, databases: int | None = None, verify: bool = True
    ) -> RdbReader:
        """A reader of an open file, from `position` on."""
        at = position

        def read(count: int) -> bytes:
            nonlocal at
            data = file.pread(count, at)
            at += len(data)
            return data

        return cls(read, limits, size=file.size(), position=position, databases=databases, verify=verify)

    @property
    def position(self) -> int:
        """How far the file is read; behind the checksum once `events` has ended."""
        return self._source.position

    def events(self) -> Iterator[Event]:
        """What the file holds, in order.  Raises RdbError, or RdbRefused for what is sound but not supported."""
        source, limits = self._source, self._limits
        self._read_header()
        database = 0
        expires_at_ms = idle_seconds = frequency = None
        while True:
            kind = source.byte()
            if kind == rdb.STRING:
                key, value = source.string(), source.string()
                yield Entry(database, key, value, expires_at_ms, idle_seconds, frequency)
                expires_at_ms = idle_seconds = frequency = None
            elif kind == rdb.EXPIRES_MS:
                expires_at_ms = int.from_bytes(source.take(8), "little", signed=True)
            elif kind == rdb.EXPIRES_SECONDS:
                expires_at_ms = int.from_bytes(source.take(4), "little", signed=True) * 1000
            elif kind == rdb.IDLE:
                idle_seconds = source.length()
            elif kind == rdb.FREQUENCY:
                frequency = source.byte()
            elif kind == rdb.SELECT:
                database = self._read_database()
            elif kind == rdb.TABLE_SIZES:
                yield TableSizes(database, source.length(), source.length())
            elif kind == rdb.AUX:
                yield Aux(source.string(), source.string())
            elif kind == rdb.MODULE_AUX:
                yield self._skip_module_aux()
            elif kind in (rdb.FUNCTION, rdb.FUNCTION_OLD):
                raise RdbRefused("a function library, which is not supported", source.position - 1)
            elif kind == rdb.END:
                break
            else:
                position = source.position - 1
                if kind not in rdb.REFUSED and kind not in READABLE:
                    raise RdbError(f"a value or opcode of unknown type {kind}", position)
                key = source.string()
                if kind in rdb.REFUSED:
                    name = f"database {database}, key {bytes(key)!r}"[:200]
                    raise RdbRefused(f"{name}: {rdb.REFUSED[kind]}, which is not supported", position)
                value = yield from read_value(kind, source, limits)
                if value:
                    yield Entry(database, key, value, expires_at_ms, idle_seconds, frequency)
                else:
                    yield Notice(f"left out database {database}, key {key!r}: an empty collection")
                expires_at_ms = idle_seconds = frequency = None
        yield from self._check_sum()

    def _read_header(self) -> None:
        header = self._source.take(len(rdb.MAGIC) + 4)
        digits = header[len(rdb.MAGIC) :]
        if not header.startswith(rdb.MAGIC) or not digits.isdigit():
            raise RdbError("no RDB file: it does not begin with REDIS and a version", self.position - len(header))
        self.version = int(digits)
        if not rdb.VERSION_OLDEST <= self.version <= rdb.VERSION_NEWEST:
            raise RdbError(f"RDB version {self.version} is unknown", self.position - len(digits))

    def _read_database(self) -> int:
        position = self.position
        database = self._source.length()
        if self.databases is not None and database >= self.databases:
            raise RdbError(f"database {database} is selected, but there are only {self.databases}", position)
        return database

    def _skip_module_aux(self) -> Notice:
        """What a module keeps beside the keys: its pieces say their types, so it can be read without the module."""
        source = self._source
        module = rdb.module_name(source.length() & (1 << 64) - 1)
        while (piece := source.length()) != rdb.MODULE_END:
            if piece in (rdb.MODULE_SIGNED, rdb.MODULE_UNSIGNED):
                source.length()
            elif piece == rdb.MODULE_FLOAT:
                source.take(4)
            elif piece == rdb.MODULE_DOUBLE:
                source.take(8)
            elif piece == rdb.MODULE_STRING:
                source.string()
            else:
                raise RdbError(f"module {module} wrote something of unknown type {piece}", source.position)
        return Notice(f"left out what the module {module} keeps beside the keys")

    def _check_sum(self) -> Iterator[Event]:
        if self.version < rdb.VERSION_CHECKSUM:
            return
        computed = self._source.checksum()
        position = self.position
        stated = int.from_bytes(self._source.take(8), "little")
        if not self._verify:
            return
        if stated == 0:
            yield Notice("the file was saved without a checksum: none compared")
        elif stated != computed:
            raise RdbError(f"wrong checksum: the file says {stated:016x}, it is {computed:016x}", position)


# -- values -----------------------------------------------------------------------------------


def read_value(kind: int, source: Source, limits: Limits) -> Steps:
    """The value of type `kind` that comes next; stops on the way when it is large.  An empty collection is possible.

    `kind` must stand in READABLE.  Raises RdbError.
    """
    if kind == rdb.STRING:
        return source.string()
    position = source.position
    try:
        if kind in BLOCKS:
            return BLOCKS[kind](source.string(), limits)
        return (yield from SERIES[kind](source, limits))
    except Damaged as damage:
        raise RdbError(str(damage), position) from None


def _strings(source: Source, count: int) -> Generator[None, None, list[bytes]]:
    strings: list[bytes] = []
    string = source.string
    while count > len(strings):
        strings += [string() for _ in range(min(STEP, count - len(strings)))]
        yield
    return strings


def _list(source: Source, limits: Limits) -> Steps:
    return make_list((yield from _strings(source, source.length())), limits)


def _set(source: Source, limits: Limits) -> Steps:
    return make_set((yield from _strings(source, source.length())), limits)


def _hash(source: Source, limits: Limits) -> Steps:
    return make_hash((yield from _strings(source, 2 * source.length())), limits)


def _sorted_set(source: Source, limits: Limits, read_score: Callable[[Source], float]) -> Steps:
    count = source.length()
    pairs: list[tuple[bytes, float]] = []
    while count > len(pairs):
        pairs += [(source.string(), read_score(source)) for _ in range(min(STEP, count - len(pairs)))]
        yield
    return make_sorted_set(pairs, limits)


def _binary_score(source: Source) -> float:
    score: float = _DOUBLE.unpack(source.take(8))[0]
    return score


def _text_score(source: Source) -> float:
    size = source.byte()
    return TEXT_SCORES[size] if size in TEXT_SCORES else _score_of(source.take(size))


TEXT_SCORES = {
    rdb.TEXT_NAN: math.nan,
    rdb.TEXT_PLUS_INFINITY: math.inf,
    rdb.TEXT_MINUS_INFINITY: -math.inf,
}


def _quicklist(source: Source, limits: Limits) -> Steps:
    elements: list[bytes] = []
    count = source.length()
    for _ in range(count):
        container, node = source.length(), source.string()
        if container == quicklist.PACKED:
            elements += listpack.decode(node)
        elif container == quicklist.PLAIN and node:
            elements.append(node)
            count += 1  # a plain node is never taken for a whole listpack
        else:
            raise RdbError(f"a quicklist node of {len(node)} bytes, container {container}", source.position)
        yield
    return make_list(elements, limits, chained=count > 1)


def _quicklist_of_ziplists(source: Source, limits: Limits) -> Steps:
    elements: list[bytes] = []
    count = source.length()
    for _ in range(count):
        elements += ziplist.decode(source.string())
        yield
    return make_list(elements, limits, chained=count > 1)


SERIES: dict[int, Callable[[Source, Limits], Steps]] = {
    rdb.LIST: _list,
    rdb.SET: _set,
    rdb.HASH: _hash,
    rdb.ZSET: partial(_sorted_set, read_score=_binary_score),
    rdb.ZSET_TEXT: partial(_sorted_set, read_score=_text_score),
    rdb.LIST_QUICKLIST: _quicklist,
    rdb.LIST_QUICKLIST_ZIPLISTS: _quicklist_of_ziplists,
}
"""Types that stand in the file element by element."""


def _integers(data: bytes) -> list[bytes]:
    return [b"%d" % member for member in intset.decode(data)]


def _scores(items: list[bytes]) -> list[tuple[bytes, float]]:
    if len(items) % 2:
        raise Damaged("a sorted set whose last member has no score", 0)
    return [(member, _score_of(text)) for member, text in zip(items[::2], items[1::2], strict=True)]


def _score_of(text: bytes) -> float:
    score = parse_float(text)
    if score is None:
        raise Damaged(f"a score that is no number: {text[:40]!r}", 0)
    return score


BLOCKS: dict[int, Callable[[bytes, Limits], Any]] = {
    rdb.LIST_ZIPLIST: lambda data, limits: make_list(ziplist.decode(data), limits),
    rdb.SET_INTSET: lambda data, limits: make_set(_integers(data), limits),
    rdb.SET_LISTPACK: lambda data, limits: make_set(listpack.decode(data), limits, packed=True),
    rdb.HASH_ZIPMAP: lambda data, limits: make_hash(zipmap.decode(data), limits),
    rdb.HASH_ZIPLIST: lambda data, limits: make_hash(ziplist.decode(data), limits, packed=True),
    rdb.HASH_LISTPACK: lambda data, limits: make_hash(listpack.decode(data), limits, packed=True),
    rdb.ZSET_ZIPLIST: lambda data, limits: make_sorted_set(_scores(ziplist.decode(data)), limits, packed=True),
    rdb.ZSET_LISTPACK: lambda data, limits: make_sorted_set(_scores(listpack.decode(data)), limits, packed=True),
}
"""Types that stand in the file as one string, a structure within."""

READABLE = {rdb.STRING, *SERIES, *BLOCKS}
