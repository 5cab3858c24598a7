"""DEBUG: what test-suites and the curious ask, and nobody else should.

Not a container in Redis's sense: one command that looks at its first word itself, refused unless
`enable-debug-command` allows it.  A subcommand is a function in the table below, with the number of words it takes; what
brings a server down on purpose (SEGFAULT, PANIC, OOM) is left out.

Source: Redis 7.2 `debug.c`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_64_intdigest

from miniredis import digest
from miniredis.blocking import Wait
from miniredis.command import ADMIN, COMMANDS, LOADING, NOSCRIPT, STALE, command
from miniredis.errors import NoSuchKey, RedisError, wrong_subcommand
from miniredis.glob import matches
from miniredis.numbers import INT64_MAX, integer, parse_float, parse_integer
from miniredis.options import memory_size
from miniredis.pausing import ALL
from miniredis.persistence.dump import FOOTER, dump
from miniredis.values import encoding
from miniredis.values.lists import List
from miniredis.values.strings import STRING
from miniredis.wire.replies import OK, Attributed, BigNumber, Push, SetReply, Status, Verbatim

if TYPE_CHECKING:
    from miniredis.session import Session

Subcommand = Callable[..., Any]
SUBCOMMANDS: dict[bytes, tuple[int, int | None, Subcommand]] = {}
"""Name -> fewest and most words behind it (None: no limit), and what answers."""

GIGABYTE = 1 << 30


@command("DEBUG subcommand [arg [arg ...]]", ADMIN | NOSCRIPT | LOADING | STALE, group="server")
def debug(session: Session, subcommand: bytes, *words: bytes) -> Any:
    """Look behind the curtain.  Depends on subcommand."""
    fewest, most, answer = SUBCOMMANDS.get(subcommand.upper(), (1, 0, debug))
    if len(words) < fewest or (most is not None and len(words) > most):
        raise wrong_subcommand(subcommand, "DEBUG")
    return answer(session, *words)


COMMANDS[b"DEBUG"].fewest, COMMANDS[b"DEBUG"].most = 1, 0


def subcommand(name: str, fewest: int = 0, most: int | None = 0) -> Callable[[Subcommand], Subcommand]:
    """Enter a function into the table; `most` words, at least `fewest` of them."""

    def enter(function: Subcommand) -> Subcommand:
        SUBCOMMANDS[name.encode()] = (fewest, most if most is None else max(fewest, most), function)
        return function

    return enter


@subcommand("HELP")
def debug_help(session: Session) -> list[Status]:
    """Print this help."""
    lines = ["DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
    for name, (_, _, function) in sorted(SUBCOMMANDS.items(), key=lambda item: (item[0] == b"HELP", item[0])):
        lines += [name.decode(), f"    {(function.__doc__ or '').strip()}"]
    return [Status(line) for line in lines]


# -- time -----------------------------------------------------------------------------------------------------------


@subcommand("SLEEP", 1)
def sleep(session: Session, seconds: bytes) -> Any:
    """Answer nobody for so many seconds."""
    engine = session.engine
    milliseconds = round((parse_float(seconds) or 0.0) * 1000)
    if milliseconds <= 0 or session.in_exec:
        return OK
    engine.pause.begin(ALL, milliseconds)
    return Wait((), milliseconds, timeout_reply=OK)


@subcommand("SET-ACTIVE-EXPIRE", 1)
def set_active_expire(session: Session, switch: bytes) -> Status:
    """Switch the search for expired keys off (0) or on (1)."""
    session.engine.expiry.enabled = (parse_integer(switch) or 0) != 0
    return OK


# -- keys -----------------------------------------------------------------------------------------------------------


def value_at(session: Session, key: bytes) -> Any:
    value = session.database.peek(key)
    if value is None:
        raise NoSuchKey
    return value


@subcommand("OBJECT", 1)
def debug_object(session: Session, key: bytes) -> Status:
    """How a value is kept: encoding, size in a snapshot, seconds since its last use."""
    value = value_at(session, key)
    eviction, database = session.engine.eviction, session.database
    name = encoding(value)
    fields = {
        "Value at": hex(xxh3_64_intdigest(key) >> 17),
        "refcount": 2**31 - 1 if name == "int" and 0 <= int(value) < 10_000 else 1,
        "encoding": name,
        "serializedlength": len(dump(value)) - FOOTER - 1,
        "lru": database.touched.get(key, 0),
        "lru_seconds_idle": 0 if eviction.frequency else eviction.idle_seconds(database, key),
    }
    return Status(" ".join(f"{field}:{content}" for field, content in fields.items()))


@subcommand("SDSLEN", 1)
def sdslen(session: Session, key: bytes) -> Status:
    """The lengths of a key and of its string; nothing is allocated in reserve here."""
    value = value_at(session, key)
    if not isinstance(value, STRING) or encoding(value) == "int":
        raise RedisError("ERR Not an sds encoded string.")
    return Status(
        f"key_sds_len:{len(key)}, key_sds_avail:0, key_zmalloc: {len(key)}, "
        f"val_sds_len:{len(value)}, val_sds_avail:0, val_zmalloc: {len(value)}"
    )


@subcommand("LISTPACK", 1)
def listpack(session: Session, key: bytes) -> Status:
    """Whether a value is a listpack."""
    if encoding(value_at(session, key)) != "listpack":
        raise RedisError("ERR Not a listpack encoded object.")
    return Status("Listpack structure printed on stdout")


@subcommand("QUICKLIST", 1, 2)
def quicklist(session: Session, key: bytes, *full: bytes) -> Status:
    """Whether a value is a quicklist."""
    value = value_at(session, key)
    if type(value) is not List or encoding(value) != "quicklist":
        raise RedisError("ERR Not a quicklist encoded object.")
    return Status("Quicklist structure printed on stdout")


@subcommand("QUICKLIST-PACKED-THRESHOLD", 1)
def quicklist_packed_threshold(session: Session, size: bytes) -> Status:
    """The size from which an element of a list stands in a block of its own."""
    threshold = memory_size(size.decode("latin-1")) or 0
    if not 0 < threshold < 4 * GIGABYTE:
        raise RedisError("ERR argument must be a memory value bigger than 1 and smaller than 4gb")
    session.engine.packed_threshold = threshold
    return OK


@subcommand("POPULATE", 1, 3)
def populate(session: Session, count: bytes, prefix: bytes = b"key", size: bytes = b"") -> Status:
    """Store so many keys, `prefix:0` and on, those that are there left alone; values padded to `size`."""
    number, database = integer(count, "ERR value is out of range, must be positive"), session.database
    if not 0 <= number <= INT64_MAX:
        raise RedisError("ERR value is out of range, must be positive")
    width = integer(size) if size else 0
    if width < 0:
        raise RedisError("ERR value is out of range, must be positive")
    for index in range(number):
        key = b"%b:%d" % (prefix, index)
        if database.peek(key) is None:
            value = b"value:%d" % index
            database.store(key, value[:width].ljust(width, b"\0") if width else value)
            database.changed(key, "set", 0)
    return OK


@subcommand("DIGEST")
def debug_digest(session: Session) -> Status:
    """One number that two servers share when they hold the same."""
    return Status(digest.of_databases(session.engine.databases).hex())


@subcommand("DIGEST-VALUE", 0, None)
def digest_value(session: Session, *keys: bytes) -> list[Status]:
    """The same for the values at single keys, zeros where there is none."""
    found = []
    for key in keys:
        value = session.database.peek(key)
        expires = session.database.expires_at(key) is not None
        found.append(
            Status((digest.NOTHING if value is None else digest.of_value(digest.NOTHING, value, expires)).hex())
        )
    return found


@subcommand("HTSTATS", 1, 2)
def htstats(session: Session, index: bytes, *full: bytes) -> Verbatim:
    """How many keys a database has, and how many of them expire."""
    number = integer(index)
    if not 0 <= number < len(session.engine.databases):
        raise RedisError("ERR Out of range database")
    database = session.engine.databases[number]
    return Verbatim(
        f"[Dictionary HT]\n number of elements: {len(database.values)}\n"
        f"[Expires HT]\n number of elements: {len(database.expires)}\n"
    )


# -- persistence and replication ------------------------------------------------------------------------------------


@subcommand("RELOAD", 0, None)
def reload(session: Session, *options: bytes) -> Status:
    """Write a snapshot and read it again; NOSAVE, NOFLUSH and MERGE leave out a step."""
    given = {option.upper() for option in options}
    if given - {b"NOSAVE", b"NOFLUSH", b"MERGE"}:
        raise RedisError("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
    if not session.engine.persistence.reload(save=b"NOSAVE" not in given, flush=b"NOFLUSH" not in given):
        raise RedisError("ERR Error trying to load the RDB dump, check server logs.")
    return OK


@subcommand("LOADAOF")
def loadaof(session: Session) -> Status:
    """Read the append-only file again."""
    if not session.engine.persistence.reload_log():
        raise RedisError("ERR Error trying to load the AOF files, check server logs.")
    return OK


@subcommand("CHANGE-REPL-ID")
def change_repl_id(session: Session) -> Status:
    """Take another replication id, as after a failover."""
    engine = session.engine
    engine.replication_id = f"{engine.random.getrandbits(160):040x}"
    return OK


# -- protocol -------------------------------------------------------------------------------------------------------


@subcommand("STRINGMATCH-LEN", 2)
def stringmatch_len(session: Session, length: bytes, pattern: bytes) -> int:
    """Whether a glob pattern matches so many times the letter a: for patterns that take long."""
    return int(matches(pattern, b"a" * max(0, integer(length))))


@subcommand("ERROR", 1)
def error(session: Session, text: bytes) -> Any:
    """Answer with this error."""
    raise RedisError(text)


@subcommand("LOG", 1)
def log(session: Session, text: bytes) -> Status:
    """Accepted, as by a server whose log is silent."""
    return OK


@subcommand("PROTOCOL", 1)
def protocol(session: Session, kind: bytes) -> Any:
    """Answer with a value of this RESP type."""
    name = kind.lower().decode("latin-1")
    if name not in PROTOCOL:
        raise RedisError(
            "ERR Wrong protocol type name. Please use one of the following: "
            "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false"
        )
    if name == "push":
        if session.protocol == 2:
            raise RedisError("ERR RESP2 is not supported by this command")
        session.out.append(session.encode(Push([b"server-cpu-usage", 42])))
    return PROTOCOL[name]


PROTOCOL: dict[str, Any] = {
    "string": b"Hello World",
    "integer": 12345,
    "double": 3.141,
    "null": None,
    "array": [0, 1, 2],
    "set": SetReply([0, 1, 2]),
    "map": {0: False, 1: True, 2: False},
    "attrib": Attributed({b"key-popularity": [b"key:123", 90]}, b"Some real reply following the attribute"),
    "push": b"Some real reply following the push reply",
    "verbatim": Verbatim("This is a verbatim\nstring"),
    "true": True,
    "false": False,
    "bignum": BigNumber(b"1234567999999999999999999999999999999"),
}
