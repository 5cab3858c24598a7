"""Sets: members without order, each once; and what can be said of several sets together.

Chance is taken out of what is written down: SPOP becomes the SREM of what it took.

Source: Redis 7.2 `t_set.c`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from miniredis.command import DENYOOM, FAST, READONLY, WRITE, command
from miniredis.commands.options import counted_keys
from miniredis.commands.scanning import parse_cursor, parse_options, reply, scan_buckets
from miniredis.errors import RedisError, SyntaxFault
from miniredis.numbers import INT64_MAX, integer_between
from miniredis.values.sets import Set
from miniredis.wire.replies import SetReply

if TYPE_CHECKING:
    from miniredis.database import Database

REMOVED_BATCH = 1024  # members that one SREM in the log takes
KEEP_SHARE = 5  # SPOP of five times what will be left moves the rest out, instead of each member it takes


# -- members ------------------------------------------------------------------------------------------------------


@command("SADD key member [member ...]", WRITE | DENYOOM | FAST)
def sadd(db: Database, key: bytes, *members: bytes) -> int:
    """Add members; how many were new.  O(1) for each."""
    stored = db.get_or_create(key, Set)
    if len(members) == 1 and members[0] in stored:
        return 0
    if stored.encoding != "hashtable":
        stored.make_room(members, db.engine.settings)
    added = stored.add(members, db.engine.settings)
    if added:
        db.changed(key, "sadd", added)
    return added


@command("SREM key member [member ...]", WRITE | FAST)
def srem(db: Database, key: bytes, *members: bytes) -> int:
    """Remove members; how many there were.  O(1) for each."""
    stored = db.write(key, Set)
    if stored is None:
        return 0
    removed = sum(map(stored.remove, members))
    if removed:
        db.changed(key, "srem", removed)
        db.removed_if_empty(key, stored)
    return removed


@command("SMOVE source destination member", WRITE | FAST)
def smove(db: Database, source: bytes, destination: bytes, member: bytes) -> int:
    """Move a member from one set to another; 1 when it was there.  O(1)."""
    if db.find_to_write(source) is None:
        return 0
    taken_from, target = db.write(source, Set), db.write(destination, Set)
    assert taken_from is not None
    if taken_from is target:
        return int(member in target)
    if not taken_from.remove(member):
        return 0
    db.changed(source, "srem")
    db.removed_if_empty(source, taken_from)
    if target is None:
        target = db.get_or_create(destination, Set)
        target.make_room((member,), db.engine.settings)
    if target.add((member,), db.engine.settings):
        db.changed(destination, "sadd")
    return 1


@command("SISMEMBER key member", READONLY | FAST)
def sismember(db: Database, key: bytes, member: bytes) -> int:
    """Whether a set has a member.  O(1)."""
    stored = db.read(key, Set)
    return 0 if stored is None else int(member in stored)


@command("SMISMEMBER key member [member ...]", READONLY | FAST, since="6.2.0")
def smismember(db: Database, key: bytes, *members: bytes) -> list[int]:
    """Whether a set has each of the members.  O(N) in the members asked for."""
    stored = db.read(key, Set)
    return [0] * len(members) if stored is None else [int(member in stored) for member in members]


@command("SCARD key", READONLY | FAST)
def scard(db: Database, key: bytes) -> int:
    """How many members there are.  O(1)."""
    stored = db.read(key, Set)
    return 0 if stored is None else len(stored)


@command("SMEMBERS key", READONLY)
def smembers(db: Database, key: bytes) -> SetReply:
    """All members.  O(N) in them."""
    stored = db.read(key, Set)
    return SetReply() if stored is None else SetReply(stored.members())


@command("SSCAN key cursor [MATCH pattern] [COUNT count]", READONLY, since="2.8.0")
def sscan(db: Database, key: bytes, cursor: bytes, *words: bytes) -> list[object]:
    """Some members, and the cursor to go on with; 0 when that was all.  O(1) for each call, O(N) for all of them."""
    start = parse_cursor(cursor)
    stored = db.read(key, Set)
    if stored is None:
        return reply(0, [])
    options = parse_options(words)
    if stored.encoding == "hashtable":
        index = stored.indexed(db.engine.bucket_seed)
        following, found = scan_buckets(index.scan, start, options.count)
    else:
        following, found = 0, list(stored.members())
    return reply(following, [member for member in found if options.fits(member)])


# -- chance -------------------------------------------------------------------------------------------------------


@command("SPOP key [count]", WRITE | FAST)
def spop(db: Database, key: bytes, *count: bytes) -> Any:
    """Take out a random member, or up to `count` of them.  O(1) for each."""
    if len(count) > 1:
        raise SyntaxFault
    if count:
        wanted = integer_between(count[0], 0, INT64_MAX, "ERR value is out of range, must be positive")
        return _pop_many(db, key, wanted)
    stored = db.write(key, Set)
    if stored is None:
        return None
    member = stored.pick(db.engine.random, db.engine.bucket_seed)
    stored.remove(member)
    db.changed(key, "spop")
    db.removed_if_empty(key, stored)
    db.engine.propagate_instead(db.index, (b"SREM", key, member))
    return member


def _pop_many(db: Database, key: bytes, count: int) -> SetReply:
    stored = db.write(key, Set)
    if stored is None or not count:
        return SetReply()
    if count >= len(stored):
        members = stored.members()
        db.delete(key)
        db.changed(key, "spop", len(members))
        db.engine.notify("del", key, db.index)
        name = b"UNLINK" if db.engine.settings.lazyfree_lazy_server_del else b"DEL"
        db.engine.propagate_instead(db.index, (name, key))
        return SetReply(members)
    taken = _take_most(db, key, stored, count) if _is_most(stored, count) else _take_some(db, stored, count)
    db.changed(key, "spop", count)
    batches = (taken[start : start + REMOVED_BATCH] for start in range(0, count, REMOVED_BATCH))
    db.engine.propagate_instead(db.index, *[(b"SREM", key, *batch) for batch in batches])
    return SetReply(taken)


def _is_most(stored: Set, count: int) -> bool:
    return (len(stored) - count) * KEEP_SHARE <= count


def _take_some(db: Database, stored: Set, count: int) -> Sequence[bytes]:
    taken = stored.sample(db.engine.random, count, db.engine.bucket_seed)
    for member in taken:
        stored.remove(member)
    return taken


def _take_most(db: Database, key: bytes, stored: Set, count: int) -> Sequence[bytes]:
    """Choose what stays and make a new set of it, whose encoding may be a smaller one."""
    kept = set(stored.sample(db.engine.random, len(stored) - count, db.engine.bucket_seed))
    rest = Set()
    rest.encoding = "intset" if stored.encoding == "intset" else "listpack"
    rest.add([member for member in stored if member in kept], db.engine.settings)
    db.store(key, rest, keep_ttl=True)
    return [member for member in stored.members() if member not in kept]


@command("SRANDMEMBER key [count]", READONLY)
def srandmember(db: Database, key: bytes, *count: bytes) -> Any:
    """A random member; `count` different ones, or, where it is negative, one after another.  O(N) in the answer."""
    if len(count) > 1:
        raise SyntaxFault
    random, seed = db.engine.random, db.engine.bucket_seed
    if not count:
        stored = db.read(key, Set)
        return None if stored is None else stored.pick(random, seed)
    wanted = random_count(count[0])
    stored = db.read(key, Set)
    if stored is None or not wanted:
        return []
    if wanted < 0:
        return stored.picks(random, -wanted, seed)
    return list(stored.members() if wanted >= len(stored) else stored.sample(random, wanted, seed))


def random_count(text: bytes) -> int:
    """The count of SRANDMEMBER and HRANDFIELD, negative for picks that may repeat.  Raises RedisError."""
    number = integer_between(text, -INT64_MAX - 1, INT64_MAX)
    if number < -INT64_MAX:
        raise RedisError(f"ERR value is out of range, value must between {-INT64_MAX} and {INT64_MAX}")
    return number


# -- several sets -------------------------------------------------------------------------------------------------


def _operands(db: Database, keys: Iterable[bytes]) -> list[Set | None]:
    """The sets at `keys`, None where there is none.  Raises WrongType."""
    return [db.read(key, Set) for key in keys]


def _common(sets: Sequence[Set | None]) -> tuple[Set, Iterable[bytes]]:
    """The smallest of `sets`, and those of its members, in its order, that all of them have."""
    present = sorted((one for one in sets if one is not None), key=len)
    if len(present) < len(sets):
        return Set(), ()
    smallest, *others = present
    members: Iterable[bytes] = smallest.members()
    for other in others:
        if other is not smallest:
            members = filter(other.__contains__, members)
    return smallest, members


def _union(db: Database, keys: Iterable[bytes]) -> Set:
    result = Set()
    for one in _operands(db, keys):
        if one is not None:
            result.add(one.members(), db.engine.settings)
    return result


def _difference(db: Database, keys: Iterable[bytes]) -> Set:
    first, *others = _operands(db, keys)
    result = Set()
    if first is not None and not any(other is first for other in others):
        members: Iterable[bytes] = first.members()
        for other in others:
            if other is not None:
                members = [member for member in members if member not in other]
        result.add(members, db.engine.settings)
    return result


def _store(db: Database, destination: bytes, result: Set, event: str) -> int:
    """Put `result` in the place of whatever is at `destination`, or leave nothing there; its size."""
    if result:
        db.store(destination, result)
        db.changed(destination, event)
    elif db.peek(destination) is not None:
        db.delete(destination)
        db.changed(destination, "del")
    return len(result)


@command("SINTER key [key ...]", READONLY)
def sinter(db: Database, *keys: bytes) -> SetReply:
    """The members that all sets have.  O(N*M): the smallest set's size, and the number of sets."""
    return SetReply(_common(_operands(db, keys))[1])


@command("SINTERCARD numkeys key [key ...] [LIMIT limit]", READONLY, since="7.0.0", keys=counted_keys(1))
def sintercard(db: Database, numkeys: bytes, *words: bytes) -> int:
    """How many members all sets have, counted up to `limit`.  O(N*M): the smallest set's size, and the number of
    sets."""
    number = integer_between(numkeys, 1, INT64_MAX, "ERR numkeys should be greater than 0")
    if number > len(words):
        raise RedisError("ERR Number of keys can't be greater than number of args")
    keys, options = words[:number], words[number:]
    limit = 0
    for at in range(0, len(options), 2):
        if options[at].upper() != b"LIMIT" or at + 1 == len(options):
            raise SyntaxFault
        limit = integer_between(options[at + 1], 0, INT64_MAX, "ERR LIMIT can't be negative")
    return sum(1 for _ in islice(_common(_operands(db, keys))[1], limit or None))


@command("SINTERSTORE destination key [key ...]", WRITE | DENYOOM)
def sinterstore(db: Database, destination: bytes, *keys: bytes) -> int:
    """Store the intersection; its size.  O(N*M): the smallest set's size, and the number of sets."""
    smallest, members = _common(_operands(db, keys))
    result = Set()
    result.encoding = "intset" if smallest.encoding == "intset" else "listpack"
    result.add(list(members), db.engine.settings)
    result.become_intset(db.engine.settings)
    return _store(db, destination, result, "sinterstore")


@command("SUNION key [key ...]", READONLY)
def sunion(db: Database, *keys: bytes) -> SetReply:
    """The members that any set has.  O(N) in the members of all."""
    return SetReply(_union(db, keys).members())


@command("SUNIONSTORE destination key [key ...]", WRITE | DENYOOM)
def sunionstore(db: Database, destination: bytes, *keys: bytes) -> int:
    """Store the union; its size.  O(N) in the members of all."""
    return _store(db, destination, _union(db, keys), "sunionstore")


@command("SDIFF key [key ...]", READONLY)
def sdiff(db: Database, *keys: bytes) -> SetReply:
    """The members of the first set that no other has.  O(N) in the members of all."""
    return SetReply(_difference(db, keys).members())


@command("SDIFFSTORE destination key [key ...]", WRITE | DENYOOM)
def sdiffstore(db: Database, destination: bytes, *keys: bytes) -> int:
    """Store the difference; its size.  O(N) in the members of all."""
    return _store(db, destination, _difference(db, keys), "sdiffstore")
