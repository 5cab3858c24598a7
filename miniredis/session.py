"""A session: one client, from its first byte to its last, without the socket.

Requests go in by `run`; replies collect in `out`, where the shell takes them after each turn.  Two roads lead through
`run`.  Nearly every command of a nearly every client takes the fast one: look up, run, encode.  Whoever is in a
transaction, subscribed, not yet authenticated, or talks to a server that is loading, full or watched by MONITOR, takes
the careful one, which asks Redis's questions in Redis's order (`server.c`, processCommand), because the order decides
which error is seen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from miniredis.blocking import Wait
from miniredis.command import COMMANDS, Command, Flag, find
from miniredis.errors import RedisError, wrong_arity
from miniredis.wire.replies import NO_REPLY, OK, QUEUED, encode2, encode3
from miniredis.wire.requests import Request

if TYPE_CHECKING:
    from miniredis.database import Database
    from miniredis.engine import Engine

IN_SUBSCRIPTION = {"subscribe", "ssubscribe", "psubscribe", "unsubscribe", "sunsubscribe", "punsubscribe",
                   "ping", "quit", "reset"}  # fmt: skip
"""What a RESP2 client may say while it is subscribed: it could not tell a reply from a message."""

UNQUEUED = {"exec", "discard", "multi", "watch", "quit", "reset"}
"""What is carried out at once inside MULTI."""


class Session:
    """The state of one client."""

    def __init__(self, engine: Engine, *, address: str = "", local_address: str = "", internal: bool = False) -> None:
        """`internal`: in whose name scripts and the loading of files run commands; no client, never listed."""
        self.engine = engine
        self.id = 0 if internal else engine.next_session_id
        self.address, self.local_address = address, local_address
        self.database: Database = engine.databases[0]
        self.encode = encode2
        self.protocol = 2
        self.authenticated = not engine.settings.requirepass
        self.user = "default"

        self.out: list[bytes] = []  # what is to be sent, in order
        self.queue: deque[Request] = deque()  # read, but not to be run before a waiting command is answered
        self.blocked = False
        self.closing: str | None = None  # why the connection ends once `out` is sent
        self.scheduled = False  # stands in engine.to_flush

        self.in_transaction = False
        self.transaction: list[tuple[Command, Request]] = []
        self.transaction_failed = False  # a command could not be queued: EXECABORT
        self.transaction_broken = False  # a watched key was touched: EXEC answers nil
        self.watched: list[tuple[Database, bytes]] = []
        self.in_script = False

        self.channels: dict[bytes, None] = {}
        self.patterns: dict[bytes, None] = {}
        self.shard_channels: dict[bytes, None] = {}

        self.reply_mode = "on"  # CLIENT REPLY: on, off, skip (this one), skip next
        self.name = b""
        self.library_name = b""
        self.library_version = b""
        self.no_evict = self.no_touch = False
        self.monitoring = False
        self.created_ms = self.last_used_ms = engine.now_ms
        self.last_command = "NULL"
        self.input_bytes = self.output_bytes = 0
        self.wake: Any = None  # the shell's object for this client
        self.careful = not self.authenticated
        if not internal:
            engine.next_session_id += 1
            engine.sessions[self.id] = self

    # -- requests in ----------------------------------------------------------------------------------------------

    def run(self, requests: Iterable[Request]) -> None:
        """Carry out `requests` in order.  When one must wait, those behind it wait in `queue`."""
        if self.blocked or self.queue:
            self.queue.extend(requests)
            return
        engine = self.engine
        out = self.out
        now_us = engine.clock.monotonic_us
        guards = engine.guards
        commands = engine.stats.commands
        slow_us = engine.slowlog.threshold_us
        engine.refresh_time()
        started = engine.refreshed_us
        remaining = iter(requests)
        for request in remaining:
            command = COMMANDS.get(request[0])
            if self.careful or guards or command is None or command.subcommands or not command.accepts(len(request)):
                self._run_carefully(request)
                if self.blocked or self.closing:
                    if self.blocked:
                        self.queue.extend(remaining)
                    break
                started = now_us()
                if started - engine.refreshed_us > 1000:
                    engine.refresh_time()
                continue
            dirty = engine.dirty
            engine.running = command
            target = self if command.takes_session else self.database
            try:
                reply = command.handler(target, *request[1:])  # type: ignore[misc]
            except RedisError as error:
                reply = error
                engine.replaced = False
            except Exception as error:
                reply = engine.fault(command, error)
            if engine.dirty != dirty:
                if engine.propagate_to is not None and command.writes and not engine.replaced:
                    engine.pending.append((self.database.index, request))
                engine.replaced = False
                if engine.pending or engine.ready:
                    engine.end_unit()
            elif engine.pending:
                engine.end_unit()
            kind = type(reply)
            if kind is bytes:
                out.append(b"$%d\r\n%b\r\n" % (len(reply), reply))
            elif reply is OK:
                out.append(b"+OK\r\n")
            elif kind is Wait:
                engine.waiting.block(self, command, request, reply)
                self.queue.extend(remaining)
                break
            elif reply is not NO_REPLY:
                out.append(self.encode(reply))
            ended = now_us()
            spent = ended - started
            counters = commands[command.name]
            counters.calls += 1
            counters.microseconds += spent
            if kind is not bytes and isinstance(reply, RedisError):
                counters.failed += 1
                engine.stats.count_error(reply.code)
            if spent >= slow_us >= 0:
                engine.slowlog.note(self, command, request, spent)
            started = ended
            if ended - engine.refreshed_us > 1000:
                engine.refresh_time()
            if self.closing:
                break
        engine.running = None
        self.last_used_ms = engine.now_ms

    def go_on(self) -> None:
        """Carry out what came while the session was blocked."""
        if self.queue and not self.blocked and not self.closing:
            requests, self.queue = self.queue, deque()
            self.run(requests)

    # -- the careful road -----------------------------------------------------------------------------------------

    def _run_carefully(self, request: Request) -> None:
        engine = self.engine
        started = engine.clock.monotonic_us()
        command = find(request)
        try:
            self._check(command, request)
        except RedisError as error:
            if command is not None:
                engine.stats.commands[command.name].rejected += 1
            engine.stats.count_error(error.code)
            if self.in_transaction and (command is None or command.name != "exec"):
                self.transaction_failed = True
            elif command is not None and command.name == "exec":
                self.abort_transaction(error)
                return
            self.reply(error)
            return
        assert command is not None
        if self.in_transaction and command.name not in UNQUEUED:
            self.transaction.append((command, request))
            self.reply(QUEUED)
            return
        if engine.monitors and not command.flags & (Flag.SKIP_MONITOR | Flag.ADMIN):
            engine.feed_monitors(self, request)
        reply = engine.call(self, command, request)
        spent = engine.clock.monotonic_us() - started
        if isinstance(reply, Wait):
            engine.end_unit()
            engine.waiting.block(self, command, request, reply)
            return
        self.count(command, spent, reply)
        engine.slowlog.consider(self, command, request, spent)
        self.reply(reply)  # before those whom this command serves: their replies are later in time
        engine.end_unit()

    def _check(self, command: Command | None, request: Request) -> None:
        """Whether `request` may be carried out, or queued, now.  Raises the error that Redis would give first."""
        engine = self.engine
        if command is None:
            raise unknown_command(request)
        if command.handler is None or (command.subcommands and len(request) > 1 and command.arity == 1):
            if len(request) > 1:
                raise unknown_subcommand(command, request)
            raise wrong_arity(command.name)
        if not command.accepts(len(request)):
            raise wrong_arity(command.name)
        flags = command.flags
        if not self.authenticated and not flags & Flag.NO_AUTH:
            raise RedisError("NOAUTH Authentication required.")
        if engine.guards:
            engine.check_guards(self, command)
        if self.protocol == 2 and self.subscriptions and command.name not in IN_SUBSCRIPTION:
            raise RedisError(
                f"ERR Can't execute '{command.name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
                "are allowed in this context"
            )
        if self.in_transaction and flags & Flag.NO_MULTI and command.name not in UNQUEUED:
            raise RedisError("ERR Command not allowed inside a transaction")

    def count(self, command: Command, spent_us: int, reply: Any) -> None:
        """Enter a finished call into the statistics."""
        counters = self.engine.stats.commands[command.name]
        counters.calls += 1
        counters.microseconds += spent_us
        self.last_command = command.name
        if isinstance(reply, RedisError):
            counters.failed += 1
            self.engine.stats.count_error(reply.code)

    # -- replies out ----------------------------------------------------------------------------------------------

    def reply(self, value: Any) -> None:
        """Answer a request, unless CLIENT REPLY told us to be silent."""
        if value is NO_REPLY:
            return
        if self.reply_mode != "on" and not self._may_reply():
            return
        self.out.append(self.encode(value))

    def _may_reply(self) -> bool:
        if self.reply_mode == "skip":
            self.reply_mode = "on"
            self.settle()
        return False

    def push(self, value: Any) -> None:
        """Say something unasked: a message, a notification."""
        if self.reply_mode != "on" and self.protocol == 2:
            return
        self.out.append(self.encode(value))
        self.schedule()

    def schedule(self) -> None:
        """Let the shell send what is in `out` at the end of this turn."""
        if not self.scheduled:
            self.scheduled = True
            self.engine.to_flush.append(self)

    def block(self) -> None:
        self.blocked = True

    def unblock(self, reply: Any) -> None:
        """A command that waited has its reply; what came meanwhile is carried out at the end of this turn."""
        self.blocked = False
        self.reply(reply)
        self.schedule()

    def close(self, reason: str) -> None:
        """End the connection once what is in `out` has been sent."""
        self.closing = reason
        self.schedule()

    # -- state ----------------------------------------------------------------------------------------------------

    @property
    def subscriptions(self) -> int:
        return len(self.channels) + len(self.patterns) + len(self.shard_channels)

    def settle(self) -> None:
        """Decide anew whether this session needs the careful road; called when its state has changed."""
        self.careful = (
            not self.authenticated
            or self.in_transaction
            or self.reply_mode != "on"
            or self.monitoring
            or bool(self.subscriptions)
            or self.no_touch
        )

    def select(self, index: int) -> None:
        self.database = self.engine.databases[index]

    def speak(self, protocol: int) -> None:
        """HELLO: 2 or 3 from now on."""
        self.protocol = protocol
        self.encode = encode3 if protocol == 3 else encode2

    def abort_transaction(self, error: RedisError) -> None:
        """EXEC itself was refused: the transaction ends, and the reply says why."""
        self.end_transaction()
        self.reply(RedisError(f"EXECABORT Transaction discarded because of: {error.text.removeprefix('ERR ')}"))

    def end_transaction(self) -> None:
        """Forget what was queued, and watch nothing any more."""
        self.in_transaction = self.transaction_failed = False
        self.transaction = []
        self.unwatch()
        self.settle()

    def watch(self, database: Database, key: bytes) -> None:
        if (database, key) in self.watched:
            return
        self.watched.append((database, key))
        expired = key in database.values and database.peek_expired(key)
        database.watchers.setdefault(key, {})[self] = expired

    def unwatch(self) -> None:
        for database, key in self.watched:
            watching = database.watchers[key]
            del watching[self]
            if not watching:
                del database.watchers[key]
        self.watched = []
        self.transaction_broken = False

    def end(self) -> None:
        """The connection is gone: leave every place where this session stood."""
        engine = self.engine
        engine.waiting.leave(self)
        self.blocked = False
        self.queue.clear()
        self.end_transaction()
        for table, names in (
            (engine.pubsub.channels, self.channels),
            (engine.pubsub.patterns, self.patterns),
            (engine.pubsub.shard_channels, self.shard_channels),
        ):
            for name in names:
                engine.pubsub.remove(table, name, self)
            names.clear()
        engine.monitors.pop(self, None)
        if not engine.monitors:
            engine.guards.discard("monitor")
        engine.sessions.pop(self.id, None)


def unknown_command(request: Request) -> RedisError:
    """Redis's complaint, with the beginning of the arguments, 128 bytes of them at most."""
    shown = ""
    for argument in request[1:]:
        if len(shown) >= SHOWN_MAX:
            break
        shown += f"'{printed(argument, SHOWN_MAX - len(shown))}' "
    return RedisError(f"ERR unknown command '{printed(request[0])}', with args beginning with: {shown}")


def unknown_subcommand(command: Command, request: Request) -> RedisError:
    return RedisError(f"ERR unknown subcommand '{printed(request[1])}'. Try {command.name.upper()} HELP.")


SHOWN_MAX = 128


def printed(word: bytes, limit: int = SHOWN_MAX) -> str:
    """`word` as C prints it in an error: up to `limit` bytes, or to the first zero byte."""
    return word[:limit].partition(b"\0")[0].decode("latin-1")
