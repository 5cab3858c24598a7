"""A keyspace with one of everything, and the short way from values to a file and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from miniredis.persistence.rdb_reader import Entry, Event, RdbReader
from miniredis.persistence.rdb_values import make_hash, make_list, make_set, make_sorted_set
from miniredis.persistence.rdb_writer import Encoding, Keyspace, aux_fields, write
from tests.miniredis.engine_fixtures import make_settings

LIMITS = make_settings()
FAR = 4_000_000_000_123  # ms since 1970
AUX = aux_fields("7.2.5", 1_700_000_000_000, 1_000_000)

Entries = list[tuple[bytes, Any, int | None]]


def everything() -> dict[int, Entries]:
    """Every type in each of its encodings, over three databases; binary keys, expiries, long strings."""
    big = [b"element:%d" % number for number in range(4_000)]
    return {
        0: [
            (b"text", b"hello", None),
            (b"", b"", FAR),
            (b"\x00\xff\r\n", bytes(range(256)), None),
            (b"in place", bytearray(b"changed"), None),
            *((b"number:%b" % text, text, None) for text in NUMBERS),
            (b"-129", b"a key that is a number", FAR),
            (b"long", b"the quick brown fox jumps over the lazy dog; " * 50, None),
            (b"list", make_list([b"a", b"", b"-5", b"70000", b"x" * 70], LIMITS), FAR),
            (b"list of many nodes", make_list(big, LIMITS), None),
            (b"list of large elements", make_list([b"y" * 9_000, b"z", b"\x00" * 20_000], LIMITS), None),
        ],
        3: [
            (b"intset 16", make_set([b"3", b"-32768", b"1"], LIMITS), None),
            (b"intset 32", make_set([b"3", b"-32769", b"1"], LIMITS), FAR),
            (b"intset 64", make_set([b"3", b"9223372036854775807"], LIMITS), None),
            (b"small set", make_set([b"b", b"1", b"a"], LIMITS), None),
            (b"large set", make_set(big, LIMITS), None),
            (b"set of long", make_set([b"m" * 65, b"n"], LIMITS), None),
            (b"small hash", make_hash([b"f", b"1", b"g", b""], LIMITS), FAR),
            (b"large hash", make_hash(big, LIMITS), None),
        ],
        15: [
            (b"small zset", make_sorted_set(list(zip([b"a", b"b", b"c", b"d"], SCORES, strict=True)), LIMITS), None),
            (b"large zset", make_sorted_set([(member, index / 8) for index, member in enumerate(big)], LIMITS), FAR),
            (b"long text", b"".join(b"%d;" % (number * number) for number in range(20_000)), None),
            (b"noise", bytes(number * 2654435761 >> 13 & 255 for number in range(100_000)), None),
        ],
    }


NUMBERS = [b"0", b"-1", b"127", b"-128", b"128", b"32767", b"-32769", b"2147483647", b"-2147483648", b"2147483648",
           b"9223372036854775807", b"00", b"-0", b"1e5"]  # fmt: skip
SCORES = [float("-inf"), -0.1, 17179869184.25, float("inf")]


def keyspaces(databases: dict[int, Entries]) -> list[Keyspace]:
    return [
        Keyspace(index, len(entries), sum(at_ms is not None for *_, at_ms in entries), entries)
        for index, entries in databases.items()
    ]


def saved(databases: dict[int, Entries], encoding: Encoding = Encoding(), **options: Any) -> bytes:  # noqa: B008
    return b"".join(write(keyspaces(databases), aux=AUX, encoding=encoding, **options))


def events(data: bytes, piece: int = 1 << 20, **options: Any) -> list[Event]:
    """All that a reader of `data` tells, fed `piece` bytes at once; places to stop left out."""
    return [event for event in reader(data, piece, **options).events() if event is not None]


def reader(data: bytes, piece: int = 1 << 20, **options: Any) -> RdbReader:
    place = 0

    def read(count: int) -> bytes:
        nonlocal place
        taken = data[place : place + min(count, piece)]
        place += len(taken)
        return taken

    return RdbReader(read, LIMITS, **options)


def entries_of(found: Iterable[Event]) -> list[Entry]:
    return [event for event in found if isinstance(event, Entry)]


def shape(value: Any) -> Any:
    """A value with its kind, encoding and order, comparable with ==."""
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if hasattr(value, "scores"):
        return "SortedSet", value.encoding, list(value.order)
    if hasattr(value, "items"):
        return type(value).__name__, value.encoding, dict(value)
    return type(value).__name__, value.encoding, list(value)
