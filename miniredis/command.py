"""The command table: a function and the usage line that its users know become a Redis command.

    @command("SADD key member [member ...]", WRITE | DENYOOM | FAST, since="1.0.0")
    def sadd(db: Database, key: bytes, *members: bytes) -> int: ...

The arity is read off the usage line, and so is where the keys stand: the arguments called `key`, `source`,
`destination`, `newkey`.  A command that finds its keys by a count or a keyword says `keys=` with a function.  The first
parameter's name says what the handler is given: `db`, the client's database, for whatever works on data; `session`,
the client itself, for the rest.

A command of two words (`CONFIG GET`) is a subcommand of its container.  A module of commands is a chapter; the modules
are listed in `commands/__init__.py`.
"""

import enum
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from miniredis.wire.requests import Request

KEY_NAMES = {"key", "source", "destination", "newkey", "key1", "key2", "destkey", "sourcekey"}


class Flag(enum.IntFlag):
    """What COMMAND INFO shows, and what decides who may call a command, and when."""

    WRITE = enum.auto()  # may change data
    READONLY = enum.auto()
    DENYOOM = enum.auto()  # refused when memory is full
    ADMIN = enum.auto()
    PUBSUB = enum.auto()
    NOSCRIPT = enum.auto()
    BLOCKING = enum.auto()
    LOADING = enum.auto()  # allowed while the data is read in
    STALE = enum.auto()
    SKIP_MONITOR = enum.auto()
    SKIP_SLOWLOG = enum.auto()
    FAST = enum.auto()  # O(1) or O(log n)
    NO_AUTH = enum.auto()  # allowed before AUTH
    MAY_REPLICATE = enum.auto()
    ALLOW_BUSY = enum.auto()  # allowed while a script runs too long
    NO_MULTI = enum.auto()
    MOVABLEKEYS = enum.auto()
    NO_ASYNC_LOADING = enum.auto()
    NO_MANDATORY_KEYS = enum.auto()
    TOUCHES_ARBITRARY_KEYS = enum.auto()


WRITE, READONLY, DENYOOM, ADMIN = Flag.WRITE, Flag.READONLY, Flag.DENYOOM, Flag.ADMIN
PUBSUB, NOSCRIPT, BLOCKING, LOADING, STALE = (
    Flag.PUBSUB,
    Flag.NOSCRIPT,
    Flag.BLOCKING,
    Flag.LOADING,
    Flag.STALE,
)
SKIP_MONITOR, SKIP_SLOWLOG, FAST, NO_AUTH = Flag.SKIP_MONITOR, Flag.SKIP_SLOWLOG, Flag.FAST, Flag.NO_AUTH
MAY_REPLICATE, ALLOW_BUSY, NO_MULTI = Flag.MAY_REPLICATE, Flag.ALLOW_BUSY, Flag.NO_MULTI
MOVABLEKEYS, NO_ASYNC_LOADING = Flag.MOVABLEKEYS, Flag.NO_ASYNC_LOADING
NO_MANDATORY_KEYS, TOUCHES_ARBITRARY_KEYS = Flag.NO_MANDATORY_KEYS, Flag.TOUCHES_ARBITRARY_KEYS

KeyFinder = Callable[[Request], Sequence[bytes]]
Handler = Callable[..., Any]
Declared = TypeVar("Declared", bound=Handler)


class Command:
    """One row of the table, the same for every server in the process; what a server counts stands in `stats.py`."""

    __slots__ = (
        "arity",
        "docstring",
        "fewest",
        "find_keys",
        "first_key",
        "flags",
        "group",
        "handler",
        "key_step",
        "last_key",
        "most",
        "name",
        "parent",
        "redact",
        "since",
        "subcommands",
        "takes_session",
        "usage",
        "writes",
    )

    def __init__(self, name: str, group: str) -> None:
        self.name = name  # lower case; a subcommand is `config|get`
        self.group = group
        self.usage = ""
        self.flags = Flag(0)
        self.writes = False  # WRITE in flags, for the hot path: a look at an IntFlag takes 0.3 µs
        self.since = "1.0.0"
        self.arity = -2  # n exactly, -n at least, the name included
        self.fewest, self.most = 1, 0  # the same for the hot path; nothing is between them for a container
        self.first_key = self.last_key = self.key_step = 0
        self.find_keys: KeyFinder | None = None
        self.handler: Handler | None = None
        self.takes_session = False
        self.docstring = ""
        self.subcommands: dict[bytes, Command] = {}
        self.parent: Command | None = None
        self.redact: Callable[[Request], Request] | None = None

    def shown(self, request: Request) -> Request:
        """`request` as MONITOR and the slow log may show it: without passwords."""
        return request if self.redact is None else self.redact(request)

    def accepts(self, count: int) -> bool:
        """Whether a request of `count` words, the name included, has the right number."""
        return count == self.arity or count >= -self.arity > 0

    def keys(self, request: Request) -> Sequence[bytes]:
        """The keys that `request` names, in order."""
        if self.find_keys is not None:
            return self.find_keys(request)
        if not self.first_key:
            return ()
        last = self.last_key if self.last_key >= 0 else len(request) + self.last_key
        return request[self.first_key : last + 1 : self.key_step]


COMMANDS: dict[bytes, Command] = {}
"""By upper- and by lower-case name, for one dict look-up; other spellings go through `find`."""


def command(
    usage: str,
    flags: Flag,
    *,
    since: str = "1.0.0",
    keys: KeyFinder | None = None,
    group: str | None = None,
    redact: Callable[[Request], Request] | None = None,
    arity: int | None = None,
) -> Callable[[Declared], Declared]:
    """Enter the decorated function into the table.

    usage  as the Redis documentation writes it: UPPER words are literal, lower ones arguments, [] optional,
           ... repeated, | a choice
    flags  what it does; see Flag
    since  the Redis version that brought it
    keys   for commands whose keys are not at fixed places: request -> keys
    group  the chapter, when it is not the module's name
    arity  where it is not what the usage line says
    redact for commands that carry a password: request -> what logs may show of it
    """

    def enter(handler: Declared) -> Declared:
        words = usage.split()
        chapter = group or handler.__module__.rpartition(".")[2]
        row = Command(words[0].lower(), chapter)
        if len(words) > 1 and re.fullmatch(r"[A-Z][A-Z-]+", words[1]):
            parent = COMMANDS.get(words[0].encode())
            if parent is None:
                parent = Command(words[0].lower(), chapter)
                _register(COMMANDS, parent, words[0])
            row.name = f"{words[0]}|{words[1]}".lower()
            row.parent = parent
            parent.fewest, parent.most = 1, 0
            _register(parent.subcommands, row, words[1])
        else:
            if (standing := COMMANDS.get(words[0].encode())) is not None:
                row.subcommands = standing.subcommands
                for child in row.subcommands.values():
                    child.parent = row
            _register(COMMANDS, row, words[0])
        row.usage, row.flags, row.since = usage, flags, since
        row.writes = bool(flags & Flag.WRITE)
        row.arity = arity_of(usage) if arity is None else arity
        if not row.subcommands:
            row.fewest, row.most = abs(row.arity), row.arity if row.arity > 0 else 2**31
        counted = usage.find(" numkeys ")  # the keys behind it stand at no fixed place
        row.first_key, row.last_key, row.key_step = key_range_of(usage if counted < 0 else usage[:counted])
        row.find_keys = keys
        if keys is not None:
            row.flags |= Flag.MOVABLEKEYS
        row.handler, row.redact = handler, redact
        row.takes_session = next(iter(inspect.signature(handler).parameters)) == "session"
        row.docstring = inspect.getdoc(handler) or ""
        return handler

    return enter


def _register(table: dict[bytes, Command], row: Command, name: str) -> None:
    table[name.upper().encode()] = row
    table[name.lower().encode()] = row


def find(request: Request) -> Command | None:
    """The row for `request`: a subcommand where the container has one; None when the name is unknown.

    A container without such a subcommand is returned itself, with no handler: the caller complains.
    """
    row = COMMANDS.get(request[0]) or COMMANDS.get(request[0].upper())
    if row is not None and row.subcommands and len(request) > 1:
        return row.subcommands.get(request[1]) or row.subcommands.get(request[1].upper()) or row
    return row


def arity_of(usage: str) -> int:
    """The number of words a usage line asks for, negative where more may come.

    >>> arity_of("GET key"), arity_of("SADD key member [member ...]"), arity_of("SET key value [NX | XX] [GET]")
    (2, -3, -3)
    """
    words = iter(re.findall(r"\[|\]|<|>|\||\.\.\.|[^\s\[\]<>|]+", usage))

    def required(end: str) -> int:
        """Of the words up to `end`, how many there must be; of alternatives the shortest counts."""
        shortest, count = None, 0
        for word in words:
            if word == end:
                break
            if word == "[":
                required("]")
            elif word == "<":
                count += required(">")
            elif word == "|":
                shortest, count = min(count, count if shortest is None else shortest), 0
            elif word != "...":
                count += 1
        return count if shortest is None else min(count, shortest)

    return -required("") if "[" in usage or "..." in usage else required("")


def key_range_of(usage: str) -> tuple[int, int, int]:
    """(first key, last key, step) as COMMAND INFO gives them; a last of -1 is the end, (0, 0, 0) means no keys.

    >>> key_range_of("MSET key value [key value ...]"), key_range_of("BLPOP key [key ...] timeout")
    ((1, -1, 2), (1, -2, 1))
    """
    plain = re.sub(r"\[[^\[\]]*\.\.\.\s*\]", " ... ", usage)  # [key value ...] repeats what stands before it
    plain = re.sub(r"\[[^\[\]]*\]", " ", plain)
    while "[" in plain:
        plain = re.sub(r"\[[^\[\]]*\]", " ", plain)
    words = plain.split()
    positions = [index for index, word in enumerate(words) if word in KEY_NAMES]
    if not positions:
        return 0, 0, 0
    first = positions[0]
    repeated = re.search(r"\[\s*((?:[^\[\]]*\s)?)\.\.\.\s*\]", usage)
    group = repeated.group(1).split() if repeated else []
    if any(word in KEY_NAMES for word in group):
        after = len(words) - 1 - words.index("...")
        return first, -1 - after, len(group)
    return first, positions[-1], positions[1] - first if len(positions) > 1 else 1
