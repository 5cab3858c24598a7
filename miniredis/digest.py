"""The digest of a data set: one number that two servers share exactly when they hold the same.

Where order means something (the elements of a list, a field and its value) hashes are chained; where it means nothing
(the members of a set, the keys of a database) they are combined by XOR, so that no order can show:

    database  = chain(index) xor, for each key, SHA-1 of the key's digest
    key       = chain(name, type), then the value, then xor SHA-1("!!expire!!") when it has a time to live
    xor(d, x)   d xor SHA-1(x)                  chain(d, x)   SHA-1(d xor SHA-1(x))

Source: Redis 7.2 `debug.c`, computeDatasetDigest, xorObjectDigest.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha1
from typing import Any

from miniredis.database import Database
from miniredis.numbers import format_float
from miniredis.values.hashes import Hash
from miniredis.values.lists import List
from miniredis.values.sets import Set
from miniredis.values.sorted_sets import SortedSet
from miniredis.values.strings import STRING

NOTHING = bytes(20)
TYPE_NUMBERS: dict[type, int] = {bytes: 0, bytearray: 0, List: 1, Set: 2, SortedSet: 3, Hash: 4}


def xor(digest: bytes, data: bytes | bytearray) -> bytes:
    """Combine without order."""
    both = int.from_bytes(digest, "big") ^ int.from_bytes(sha1(data).digest(), "big")
    return both.to_bytes(20, "big")


def chain(digest: bytes, data: bytes | bytearray) -> bytes:
    """Combine in order."""
    return sha1(xor(digest, data)).digest()


def of_value(digest: bytes, value: Any, expires: bool) -> bytes:
    """`digest` with a value mixed in, and whether it has a time to live."""
    digest = chain(digest, TYPE_NUMBERS[type(value)].to_bytes(4, "big"))
    if isinstance(value, STRING):
        digest = chain(digest, value)
    elif type(value) is List:
        for element in value:
            digest = chain(digest, element)
    elif type(value) is Set:
        for member in value:
            digest = xor(digest, member)
    elif type(value) is SortedSet:
        for member, score in value.scores.items():
            digest = xor(digest, chain(chain(NOTHING, member), format_float(score)))
    else:
        for field, content in value.items():
            digest = xor(digest, chain(chain(NOTHING, field), content))
    return xor(digest, b"!!expire!!") if expires else digest


def of_databases(databases: Iterable[Database]) -> bytes:
    """The digest of everything that a server holds."""
    digest = NOTHING
    for database in databases:
        if database.values:
            digest = chain(digest, database.index.to_bytes(4, "big"))
            for key, value, expires_at in database.items():
                digest = xor(digest, of_value(chain(NOTHING, key), value, expires_at is not None))
    return digest
