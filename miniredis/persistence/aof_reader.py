r"""Reading an append-only file: bytes in, commands carried out again.

The file may have been cut anywhere by a crash, and only its end can have been: whatever is wrong before the end is
damage, and a server that loaded past it would serve something that never was.  So there are two kinds of bad news:

    cut       The last command or the last MULTI is unfinished.  Nobody was told that it happened under
              `appendfsync always`; it is cut away and the server starts, if `aof-load-truncated` allows.
    damage    AofError, with the file, the position and the reason, in the words of redis-check-aof.

A unit between MULTI and EXEC is carried out at EXEC, so an unfinished one has left no trace.  Before the commands there
may be a snapshot (`aof-use-rdb-preamble` of Redis 4 to 6, and every base since 7).

Commands are cut from the stream as wire/requests.py does it: split once at CRLF, then prove each length.

Source: Redis 7.2 `aof.c`, loadSingleAppendOnlyFile; `redis-check-aof.c`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import accumulate
from posixpath import basename

from durable.disk import Disk, File
from miniredis.command import COMMANDS, Command, find
from miniredis.engine import Engine
from miniredis.errors import RedisError
from miniredis.numbers import parse_integer
from miniredis.persistence import rdb
from miniredis.session import Session
from miniredis.wire.requests import COUNTS, LENGTHS, Request

logger = logging.getLogger("miniredis")

CHUNK = 256 * 1024  # bytes read at once
SPLIT_MAX = 4 * CHUNK  # bytes; more is one huge command, and cutting that at each CRLF might take ten times its size
STEP = 64  # commands between two places to stop
ERRORS_LOGGED = 5
NEVER = -1
SNAPSHOT = b"REDIS"  # how a snapshot begins


class AofError(Exception):
    """The file at `path` cannot be loaded: `reason`, noticed `position` bytes into it."""

    def __init__(self, path: str, reason: str, position: int) -> None:
        super().__init__(f"{basename(path)}: {reason} (at byte {position})")
        self.path, self.reason, self.position = path, reason, position


class Damage(Exception):
    """Bytes that no cut explains: `reason`, at `position` of the file."""

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(reason)
        self.reason, self.position = reason, position


class Replay:
    """Loads one file into an engine; what it did so far can be looked at between two steps."""

    def __init__(self, engine: Engine, disk: Disk, path: str, *, last: bool) -> None:
        """`last`: nothing follows this file, so its end may have been cut."""
        self.engine = engine
        self.disk = disk
        self.path = path
        self.last = last
        self.session = Session(engine, internal=True)
        self.position = 0  # how far it is loaded: the end of a command, or of a unit
        self.commands = 0
        self.keys_loaded = 0  # from the snapshot that it begins with
        self.errors = 0  # commands that answered with one
        self._unit: list[tuple[Command, Request, int]] | None = None  # since MULTI

    def steps(self) -> Iterator[None]:
        """Load; each `next` is a handful of commands.  Raises AofError, RdbError, OSError, what was loaded remaining."""
        file = self.disk.open(self.path)
        try:
            size = file.size()
            if file.pread(len(SNAPSHOT), 0) == SNAPSHOT:
                yield from self._load_snapshot(file)
            try:
                yield from self._load_commands(file, size)
            except Damage as damage:
                raise AofError(self.path, f"Bad file format: {damage.reason}", damage.position) from None
        finally:
            file.close()
        if self.position < size:
            self._end_is_cut(size)

    def _load_snapshot(self, file: File) -> Iterator[None]:
        reader = rdb.RdbReader.of_file(file, self.engine.settings, verify=self.engine.settings.rdbchecksum)
        loading = rdb.Loading(self.engine, reader, keep_expired=True)
        for _ in loading.steps():
            self.position, self.keys_loaded = loading.position, loading.keys_loaded
            yield
        for notice in loading.notices:
            logger.warning("%s: %s", basename(self.path), notice)
        self.position = loading.position

    def _load_commands(self, file: File, size: int) -> Iterator[None]:
        start, held, missing = self.position, b"", CHUNK
        while missing != NEVER and (data := file.pread(max(missing, CHUNK, len(held)), start + len(held))):
            held += data
            requests, used, missing = cut(held, start, size)
            for done, (request, end) in enumerate(requests, 1):
                self._replay(request, end)
                if done % STEP == 0:
                    yield
            start += used
            if self._unit is None:
                self.position = start  # annotations at the end included
            held = held[used:]
            yield

    def _replay(self, request: Request, end: int) -> None:
        command = COMMANDS.get(request[0])
        if command is None or command.subcommands:
            command = find(request)
        if command is None or command.handler is None:
            raise Damage(f"Unknown command {bytes(request[0][:128])!r}", self._start_of(request, end))
        if not command.accepts(len(request)):
            raise Damage(f"Wrong number of arguments for {command.name!r}", self._start_of(request, end))
        name = command.name
        unit = self._unit
        if name == "multi":
            if unit is not None:
                raise Damage("Unexpected MULTI", self._start_of(request, end))
            self._unit = []
            return
        if name == "exec":
            if unit is None:
                raise Damage("Unexpected EXEC", self._start_of(request, end))
            self._unit = None
            for queued in unit:
                self._run(*queued)
        elif unit is not None:
            unit.append((command, request, end))
            return
        else:
            self._run(command, request, end)
        self.position = end

    def _run(self, command: Command, request: Request, end: int) -> None:
        reply = self.engine.call(self.session, command, request)
        self.commands += 1
        if isinstance(reply, RedisError):
            if command.name == "select":
                raise Damage(reply.text, self._start_of(request, end))
            self.errors += 1  # not a reason to refuse: it failed, and left no trace, the first time as well
            if self.errors <= ERRORS_LOGGED:
                logger.warning("%s: %s answered %s", basename(self.path), command.name.upper(), reply.text)

    @staticmethod
    def _start_of(request: Request, end: int) -> int:
        return end - sum(len(word) + len(b"%d" % len(word)) + 5 for word in request) - len(b"%d" % len(request)) - 3

    def _end_is_cut(self, size: int) -> None:
        """The file goes on behind `position`, but not with a whole unit."""
        what = "an unfinished command" if self._unit is None else "a MULTI without its EXEC"
        if not self.last:
            raise AofError(self.path, f"it ends with {what}, and is not the last file", self.position)
        if not self.engine.settings.aof_load_truncated:
            raise AofError(
                self.path,
                f"Unexpected end of file: it ends with {what}. Either set aof-load-truncated to yes, or let "
                "redis-check-aof --fix repair a copy of it",
                self.position,
            )
        logger.warning(
            "%s ends with %s: cut off at byte %d, %d bytes are gone (aof-load-truncated is on)",
            basename(self.path),
            what,
            self.position,
            size - self.position,
        )
        file = self.disk.open(self.path, "a")
        try:
            file.truncate(self.position)
            file.fsync_now()
        finally:
            file.close()


def cut(data: bytes, start: int, size: int) -> tuple[list[tuple[Request, int]], int, int]:
    """The whole commands at the beginning of `data`, each with the position in the file where it ends.

    start  position of `data` in the file
    size   of the file: what reaches beyond it will never come

    Returns them, how many bytes of `data` they and annotations take, and how many bytes more the next one needs at
    least, or NEVER when the file has not so many.  Raises Damage.
    """
    requests: list[tuple[Request, int]] = []
    tokens = data.split(b"\r\n") if len(data) <= SPLIT_MAX else [data]
    sums = list(accumulate(map(len, tokens)))  # so a command's end is one look, not a sum for each
    whole = len(tokens) - 1
    index = 0
    while index < whole:
        token = tokens[index]
        count = COUNTS.get(token)
        if count is None:
            if token[:1] != b"#":
                break
            index += 1
            continue
        end = index + 2 * count + 1
        if end > whole:
            break
        request = tokens[index + 2 : end : 2]
        if list(map(LENGTHS.get, tokens[index + 1 : end : 2])) != list(map(len, request)):
            break
        requests.append((request, start + sums[end - 1] + 2 * end))
        index = end
    at = sums[index - 1] + 2 * index if index else 0
    while at < len(data):
        found = cut_one(data, at, start, size)
        if isinstance(found, int):
            return requests, at, found
        careful, at = found
        if careful:
            requests.append((careful, start + at))
    return requests, at, 0


def cut_one(data: bytes, at: int, start: int, size: int) -> tuple[Request, int] | int:
    """The command at `at`, length by length, and where it ends; an annotation is an empty one.

    When it is not whole: how many bytes more are needed at least, or NEVER.  Raises Damage.
    """
    line_end = data.find(b"\r\n", at)
    if data[at : at + 1] == b"#":
        return 1 if line_end < 0 else ([], line_end + 2)
    if data[at : at + 1] != b"*":
        raise Damage(f"Expected prefix '*', got: {data[at : at + 1].decode('latin-1')!r}", start + at)
    if line_end < 0:
        return too_long(data, at, start)
    count = parse_integer(data[at + 1 : line_end])
    if count is None or not 1 <= count < 1 << 31:
        raise Damage(f"Expected a number of arguments, got: {data[at + 1 : line_end][:32]!r}", start + at)
    request: list[bytes] = []
    at = line_end + 2
    for _ in range(count):
        if at >= len(data):
            return 1
        if data[at : at + 1] != b"$":
            raise Damage(f"Expected prefix '$', got: {data[at : at + 1].decode('latin-1')!r}", start + at)
        line_end = data.find(b"\r\n", at)
        if line_end < 0:
            return too_long(data, at, start)
        length = parse_integer(data[at + 1 : line_end])
        if length is None or length < 0:
            raise Damage(f"Expected a length, got: {data[at + 1 : line_end][:32]!r}", start + at)
        at = line_end + 2
        end = at + length
        if end + 2 > len(data):
            return NEVER if start + end + 2 > size else end + 2 - len(data)
        if data[end : end + 2] != b"\r\n":
            raise Damage(f"Expected \\r\\n, got: {data[end : end + 2].hex()}", start + end)
        request.append(data[at:end])
        at = end + 2
    return request, at


def too_long(data: bytes, at: int, start: int) -> int:
    """A number whose line has no end yet: more is needed, unless it is longer than any number."""
    if len(data) - at > 32:
        raise Damage(f"Expected \\r\\n after a number, got: {data[at : at + 32]!r}", start + at)
    return 1
