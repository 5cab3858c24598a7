"""Writing an RDB file: the keyspace in, chunks of bytes out, the checksum last.

A value is written in the shape that Redis keeps in memory, which is why a snapshot is fast there: a small hash is one
blob, copied.  We keep plain Python collections and make the blob here, from the value's `encoding`.

Version 10 (Redis 7.0) is what we write unless asked for 11: a 7.0 server reads it, and so does every later one.  The
one difference is a small set, which version 10 has no blob for.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from miniredis.numbers import INT64_MAX, format_float, parse_integer
from miniredis.persistence import intset, listpack, lzf, quicklist
from miniredis.persistence import rdb_format as rdb
from miniredis.persistence.crc64 import crc64
from miniredis.values.hashes import Hash
from miniredis.values.lists import List
from miniredis.values.sets import Set
from miniredis.values.sorted_sets import SortedSet
from miniredis.values.strings import STRING

VERSION = 10
CHUNK = 64 * 1024  # bytes; a chunk ends at the first whole item past it
COMPRESSED_FROM = 21  # bytes; LZF cannot shorten less
INTEGER_LONGEST = 11  # "-2147483648"

_DOUBLE = struct.Struct("<d")
_INTEGERS = ((rdb.INT8, 1), (rdb.INT16, 2), (rdb.INT32, 4))


class Keyspace(NamedTuple):
    """One database to be written."""

    database: int
    keys: int
    expiring: int
    entries: Iterable[tuple[bytes, Any, int | None]]  # key, value, expires at ms since 1970 or never
    idle_seconds: Callable[[bytes], int] | None = None  # written when eviction goes by recency
    frequency: Callable[[bytes], int] | None = None  # written when it goes by frequency: the counter, 0-255


class Encoding(NamedTuple):
    """How values are written."""

    version: int = VERSION  # 10, or 11
    compress: bool = True  # rdbcompression
    list_fill: int = -2  # list-max-listpack-size
    packed_threshold: int = quicklist.PACKED_THRESHOLD

    @classmethod
    def of(cls, settings: Any) -> Encoding:
        """As the server's settings ask."""
        return cls(compress=settings.rdbcompression, list_fill=settings.list_max_listpack_size)


def aux_fields(redis_version: str, now_ms: int, used_memory: int, *, aof_base: bool = False) -> dict[str, str | int]:
    """What Redis says about itself at the beginning of a file, in its order."""
    return {
        "redis-ver": redis_version,
        "redis-bits": 64,
        "ctime": now_ms // 1000,
        "used-mem": used_memory,
        "aof-base": int(aof_base),
    }


def write(
    databases: Iterable[Keyspace],
    *,
    aux: Mapping[str, str | int],
    encoding: Encoding = Encoding(),  # noqa: B008  it cannot change
    checksum: bool = True,
) -> Iterator[bytes]:
    """The bytes of an RDB file, in chunks of about CHUNK.

    databases  those that have keys; `entries` is walked while the chunks are taken, so it must not change meanwhile
    aux        see `aux_fields`
    checksum   rdbchecksum: 0 is written in its place when it is off
    """
    total = 0
    for chunk in _in_chunks(_pieces(databases, aux, encoding)):
        if checksum:
            total = crc64(chunk, total)
        yield chunk
    yield total.to_bytes(8, "little")


def _in_chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        if len(waiting) >= CHUNK:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


def _pieces(databases: Iterable[Keyspace], aux: Mapping[str, str | int], encoding: Encoding) -> Iterator[bytes]:
    if encoding.version not in (10, 11):
        raise ValueError(f"RDB version {encoding.version} is not written, only 10 and 11")
    compress = encoding.compress
    yield b"%b%04d" % (rdb.MAGIC, encoding.version)
    for name, field in aux.items():
        yield b"%c%b%b" % (rdb.AUX, string(name.encode(), compress), string(str(field).encode(), compress))
    for database, keys, expiring, entries, idle_seconds, frequency in databases:
        yield b"%c%b" % (rdb.SELECT, length(database))
        yield b"%c%b%b" % (rdb.TABLE_SIZES, length(keys), length(expiring))
        for key, value, expires_at_ms in entries:
            if expires_at_ms is not None:
                yield b"%c%b" % (rdb.EXPIRES_MS, expires_at_ms.to_bytes(8, "little", signed=True))
            if idle_seconds is not None:
                yield b"%c%b" % (rdb.IDLE, length(idle_seconds(key)))
            if frequency is not None:
                yield b"%c%c" % (rdb.FREQUENCY, frequency(key))
            if isinstance(value, STRING):
                yield b"\x00%b%b" % (string(key, compress), string(value, compress))
            else:
                yield b"%c%b" % (type_of(value, encoding), string(key, compress))
                yield from body(value, encoding)
    yield b"%c" % rdb.END


# -- values -----------------------------------------------------------------------------------

_TYPES = {
    (List, "listpack"): rdb.LIST_QUICKLIST,
    (List, "quicklist"): rdb.LIST_QUICKLIST,
    (Set, "intset"): rdb.SET_INTSET,
    (Set, "listpack"): rdb.SET_LISTPACK,
    (Set, "hashtable"): rdb.SET,
    (Hash, "listpack"): rdb.HASH_LISTPACK,
    (Hash, "hashtable"): rdb.HASH,
    (SortedSet, "listpack"): rdb.ZSET_LISTPACK,
    (SortedSet, "skiplist"): rdb.ZSET,
}


def type_of(value: Any, encoding: Encoding) -> int:
    """The type byte for `value`, as `body` will write it."""
    if isinstance(value, STRING):
        return rdb.STRING
    number = _TYPES[type(value), value.encoding]
    return rdb.SET if number == rdb.SET_LISTPACK and encoding.version < 11 else number


def body(value: Any, encoding: Encoding) -> Iterator[bytes]:
    """`value` without its type, in pieces: one for what Redis keeps in a block, else one per element."""
    if isinstance(value, STRING):
        yield string(value, encoding.compress)
    else:
        yield from _BODIES[type_of(value, encoding)](value, encoding)


def _list(value: List, encoding: Encoding) -> Iterator[bytes]:
    if value.encoding == "listpack":
        chain = [(quicklist.PACKED, listpack.encode(value))]
    else:
        chain = list(quicklist.nodes(value, encoding.list_fill, encoding.packed_threshold))
    yield length(len(chain))
    for container, node in chain:
        yield length(container) + string(node, encoding.compress)


def _intset(value: Set, encoding: Encoding) -> Iterator[bytes]:
    yield string(intset.encode(map(int, value)), encoding.compress)


def _packed_set(value: Set, encoding: Encoding) -> Iterator[bytes]:
    yield string(listpack.encode(value), encoding.compress)


def _set(value: Set, encoding: Encoding) -> Iterator[bytes]:
    yield length(len(value))
    for member in value:
        yield string(member, encoding.compress)


def _packed_hash(value: Hash, encoding: Encoding) -> Iterator[bytes]:
    flat = (part for pair in value.items() for part in pair)
    yield string(listpack.encode(flat), encoding.compress)


def _hash(value: Hash, encoding: Encoding) -> Iterator[bytes]:
    compress = encoding.compress
    yield length(len(value))
    for field, content in value.items():
        yield string(field, compress) + string(content, compress)


def _packed_sorted_set(value: SortedSet, encoding: Encoding) -> Iterator[bytes]:
    flat = (part for score, member in value.order for part in (member, packed_score(score)))
    yield string(listpack.encode(flat), encoding.compress)


def _sorted_set(value: SortedSet, encoding: Encoding) -> Iterator[bytes]:
    """From the highest score down: a skip list is built quickest when each element goes to its front."""
    compress = encoding.compress
    yield length(len(value))
    for score, member in reversed(value.order):
        yield string(member, compress) + _DOUBLE.pack(score)


_BODIES: dict[int, Callable[[Any, Encoding], Iterator[bytes]]] = {
    rdb.LIST_QUICKLIST: _list,
    rdb.SET_INTSET: _intset,
    rdb.SET_LISTPACK: _packed_set,
    rdb.SET: _set,
    rdb.HASH_LISTPACK: _packed_hash,
    rdb.HASH: _hash,
    rdb.ZSET_LISTPACK: _packed_sorted_set,
    rdb.ZSET: _sorted_set,
}


def packed_score(score: float) -> bytes:
    """A score as it stands in a listpack: an integer where it is one (-0 is 0 then), else the shortest text."""
    if score.is_integer() and abs(score) <= INT64_MAX // 2:
        return b"%d" % int(score)
    return format_float(score)


# -- lengths and strings -----------------------------------------------------------------------------------


def length(number: int) -> bytes:
    """`number` in as few bytes as the format allows."""
    if number < 1 << 6:
        return b"%c" % number
    if number < 1 << 14:
        return (number | 0x4000).to_bytes(2, "big")
    if number < 1 << 32:
        return b"%c%b" % (rdb.LENGTH32, number.to_bytes(4, "big"))
    return b"%c%b" % (rdb.LENGTH64, number.to_bytes(8, "big"))


def string(text: bytes | bytearray, compress: bool = True) -> bytes:
    """`text` as the shortest of: an integer, compressed, as it is."""
    size = len(text)
    if size <= INTEGER_LONGEST:
        if size and text[0] < 0x3A and (number := parse_integer(text)) is not None:
            for code, width in _INTEGERS:
                if -(1 << 8 * width - 1) <= number < 1 << 8 * width - 1:
                    return b"%c%b" % (code, number.to_bytes(width, "little", signed=True))
        return b"%c%b" % (size, bytes(text))
    if compress and size >= COMPRESSED_FROM and (packed := lzf.compress(text)) is not None:
        return b"%c%b%b%b" % (rdb.LZF, length(len(packed)), length(size), packed)
    return length(size) + text
