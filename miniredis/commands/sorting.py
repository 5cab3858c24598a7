"""SORT: the elements of a list, set or sorted set in order, by themselves or by what other keys say of them.

    SORT team BY weight_* GET name_* GET #        BY weight_*      the string at weight_7, for element 7
                                                  BY player:*->age  the field `age` of the hash at player:7
                                                  GET #             the element itself
                                                  BY nosort         any pattern without a star: leave the order as it is

Numbers are compared as doubles, and where two are equal, the elements as bytes; so the answer does not depend on how the
elements are stored.  ALPHA compares texts, as C does: up to a zero byte, unless the result is stored.

Source: Redis 7.2 `sort.c`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from miniredis.command import DENYOOM, READONLY, WRITE, command
from miniredis.errors import SyntaxFault, WrongType
from miniredis.numbers import float_number, integer
from miniredis.values.hashes import Hash
from miniredis.values.lists import List
from miniredis.values.sets import Set
from miniredis.values.sorted_sets import SortedSet
from miniredis.values.strings import STRING

if TYPE_CHECKING:
    from miniredis.database import Database
    from miniredis.session import Session
    from miniredis.wire.requests import Request

GROUP = "keys"
SPACE = b" \t\n\v\f\r"
NOT_A_SCORE = "ERR One or more scores can't be converted into double"


class _Options:
    """What stands behind the key.  Raises SyntaxFault, NotAnInteger."""

    def __init__(self, words: Sequence[bytes], *, may_store: bool) -> None:
        self.descending = self.alpha = False
        self.offset, self.count = 0, -1
        self.by: bytes | None = None
        self.get: list[bytes] = []
        self.destination: bytes | None = None
        remaining = iter(words)
        left = len(words)
        for word in remaining:
            left -= 1
            match word.upper():
                case b"ASC":
                    self.descending = False
                case b"DESC":
                    self.descending = True
                case b"ALPHA":
                    self.alpha = True
                case b"LIMIT" if left >= 2:
                    self.offset, self.count = integer(next(remaining)), integer(next(remaining))
                    left -= 2
                case b"STORE" if may_store and left:
                    self.destination = next(remaining)
                    left -= 1
                case b"BY" if left:
                    self.by = next(remaining)
                    left -= 1
                case b"GET" if left:
                    self.get.append(next(remaining))
                    left -= 1
                case _:
                    raise SyntaxFault

    def part(self, size: int) -> slice:
        """LIMIT, of `size` elements: a negative count is no limit."""
        start = max(self.offset, 0)
        return slice(start, size if self.count < 0 else start + self.count)


def sort_keys(request: Request) -> Sequence[bytes]:
    """The key, and the last one named by STORE."""
    arguments = {b"LIMIT": 2, b"GET": 1, b"BY": 1}
    at, stores = 2, []
    while at < len(request):
        word = request[at].upper()
        if word == b"STORE" and at + 1 < len(request):
            stores = [request[at + 1]]
            at += 1
        at += 1 + arguments.get(word, 0)
    return [request[1], *stores]


@command(
    "SORT key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA] "
    "[STORE destination]",
    WRITE | DENYOOM,
    keys=sort_keys,
    group=GROUP,
)
def sort(session: Session, key: bytes, *words: bytes) -> Any:
    """Elements in order, or what other keys hold for them; answered, or stored as a list.  O(N*log N + M): the
    elements there are, and those in the answer."""
    db, options = session.database, _Options(words, may_store=True)
    found = _sorted(db, key, options, scripted=session.in_script)
    if options.destination is None:
        return found
    return _store(db, options.destination, [element or b"" for element in found])


@command(
    "SORT_RO key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]",
    READONLY,
    since="7.0.0",
    keys=lambda request: request[1:2],
    group=GROUP,
)
def sort_ro(session: Session, key: bytes, *words: bytes) -> list[bytes | None]:
    """SORT without STORE, for replicas.  O(N*log N + M): the elements there are, and those in the answer."""
    return _sorted(session.database, key, _Options(words, may_store=False), scripted=session.in_script)


def _store(db: Database, destination: bytes, elements: list[bytes]) -> int:
    if elements:
        db.store(destination, List.from_chain(elements, db.engine.settings))
        db.changed(destination, "sortstore", len(elements))
    elif db.peek(destination) is not None:
        db.delete(destination)
        db.changed(destination, "del")
    return len(elements)


def _sorted(db: Database, key: bytes, options: _Options, *, scripted: bool) -> list[bytes | None]:
    """The elements wanted, or what GET makes of them.  Raises WrongType, RedisError."""
    value = db.find(key)
    by, alpha = options.by, options.alpha
    leave_order = by is not None and b"*" not in by
    if leave_order and type(value) is Set and (options.destination is not None or scripted):
        leave_order, alpha, by = False, True, None  # a set has no order that every replica would agree on
    elements = _elements(value)
    if leave_order:
        if options.descending and type(value) is not Set:
            elements.reverse()
    else:
        binary = options.destination is not None
        rank = _Alphabetic(db, by, binary=binary) if alpha else _Numeric(db, by)
        elements.sort(key=rank, reverse=options.descending)
    chosen = elements[options.part(len(elements))]
    if not options.get:
        return [*chosen]
    return [look_up(db, pattern, element) for element in chosen for pattern in options.get]


def _elements(value: Any) -> list[bytes]:
    if value is None:
        return []
    if type(value) is List:
        return list(value)
    if type(value) is Set:
        return list(value.members())
    if type(value) is SortedSet:
        value.encoding = "skiplist"  # Redis converts it for good, to walk it
        return [member for _, member in value.order]
    raise WrongType


class _Numeric:
    """The sort key of an element: its number, or that of what BY names, 0 where that is not there."""

    def __init__(self, db: Database, by: bytes | None) -> None:
        self.db, self.by = db, by

    def __call__(self, element: bytes) -> tuple[float, bytes]:
        text = element if self.by is None else look_up(self.db, self.by, element)
        return (0.0 if text is None else score(text)), element


class _Alphabetic:
    """The sort key of an element: itself, or what BY names; what is not there comes first."""

    def __init__(self, db: Database, by: bytes | None, *, binary: bool) -> None:
        self.db, self.by, self.binary = db, by, binary

    def __call__(self, element: bytes) -> tuple[bool, bytes]:
        text = element if self.by is None else look_up(self.db, self.by, element)
        if text is None:
            return False, b""
        return True, text if self.binary else text.partition(b"\0")[0]


def score(text: bytes) -> float:
    """As strtod reads it: after spaces, up to a zero byte; nothing is 0.  Raises RedisError."""
    plain = text.partition(b"\0")[0]
    return float_number(plain.lstrip(SPACE), NOT_A_SCORE) if plain else 0.0


def look_up(db: Database, pattern: bytes, element: bytes) -> bytes | None:
    """What is at the key, or in the field of the hash, that `pattern` makes of `element`; None when there is none."""
    if pattern == b"#":
        return element
    before, star, after = pattern.partition(b"*")
    if not star:
        return None
    rest, _, field = after.partition(b"->")
    value = db.find(before + element + (rest if field else after))
    if field:
        return value.get(field) if type(value) is Hash else None
    return bytes(value) if isinstance(value, STRING) else None
