"""DUMP and RESTORE, right and wrong payloads, every option; other commands show what came of it."""

from __future__ import annotations

from random import Random

from miniredis.persistence.crc64 import crc64
from miniredis.persistence.dump import dump
from miniredis.persistence.rdb_values import make_hash, make_list, make_set, make_sorted_set
from tests.miniredis.engine_fixtures import make_settings

UNORDERED: set[bytes] = set()

_LIMITS = make_settings()
_MANY = [b"element:%d" % number for number in range(2_000)]


def _sealed(body: bytes, version: int = 10) -> bytes:
    body += version.to_bytes(2, "little")
    return body + crc64(body).to_bytes(8, "little")


PAYLOADS = [
    dump(b"12"),
    dump(b"text"),
    dump(b"x" * 500),
    dump(make_list([b"a", b"1"], _LIMITS)),
    dump(make_list(_MANY, _LIMITS)),
    dump(make_set([b"1", b"2"], _LIMITS)),
    dump(make_set(_MANY, _LIMITS)),
    dump(make_hash([b"f", b"v"], _LIMITS)),
    dump(make_hash(_MANY, _LIMITS)),
    dump(make_sorted_set([(b"m", 1.0)], _LIMITS)),
    dump(b"text")[:-1],
    b"",
    b"x" * 30,
    _sealed(b"\x00\x04text", version=99),
    _sealed(b"\x00\x05text"),
    _sealed(b"\x00"),
    _sealed(b"\x02\x00"),
    _sealed(b"\x02\x02\x01a\x01a"),
    _sealed(b"\x08\x00"),
    _sealed(b"\xfe\x00"),
    _sealed(b"\x00\x04text and more"),
    _sealed(b"\x0a\x05notzl"),
    _sealed(b"\x10\x09notlpnotl"),
    _sealed(b"\x0b\x09notintset"),
    _sealed(b"\x09\x02\x00\xff"),
    _sealed(b"\x03\x01\x01a\xfd"),
    _sealed(b"\x00\xc3\x02\x05\x00a"),
]
TTLS = [b"0"] * 6 + [b"1000000000", b"-1", b"x", b"9223372036854775807", b"9999999999999999999"]
ENDINGS = [
    [b"REPLACE"],
    [b"replace"],
    [b"ABSTTL"],
    [b"IDLETIME", b"10"],
    [b"IDLETIME", b"-1"],
    [b"IDLETIME"],
    [b"FREQ", b"7"],
    [b"FREQ", b"256"],
    [b"FREQ", b"x"],
    [b"NX"],
]


def generate(random: Random) -> list[bytes]:
    key = b"k%d" % random.randrange(4)
    kind = random.randrange(10)
    if kind < 6:
        options = [word for option in random.choices(ENDINGS, k=random.choice([0, 0, 1, 1, 2])) for word in option]
        if random.random() < 0.5:
            options.append(b"REPLACE")
        return [b"RESTORE", key, random.choice(TTLS), random.choice(PAYLOADS), *options]
    return random.choice(
        [
            [b"TYPE", key],
            [b"PERSIST", key],
            [b"GET", key],
            [b"DEL", key],
            [b"EXISTS", key],
            [b"SET", key, b"%d" % random.randrange(10**6)],
            [b"SET", key, b"ab" * random.randrange(300)],
            [b"DUMP", b"none"],
            [b"DUMP"],
            [b"RESTORE", key],
        ]
    )
