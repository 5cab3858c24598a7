"""A session: one client, from its first byte to its last, without the socket.

Requests go in by `run`; replies collect in `out`, where the shell takes them after each turn.  Two roads lead through
`run`.  Nearly every command of a nearly every client takes the fast one: look up, run, encode.  Whoever is in a
transaction, subscribed, not yet authenticated, or talks to a server that is loading, full or watched by MONITOR, takes
the careful one, which asks Redis's questions in Redis's order (`server.c`, processCommand), because the order decides
which error is seen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from miniredis.blocking import Wait
from miniredis.command import COMMANDS, Command, Flag, find
from miniredis.errors import RedisError, wrong_arity
from miniredis.stats import rough
from miniredis.wire.replies import NO_REPLY, QUEUED, SMALL_INTEGERS, STATUS_LINES, Status, encode2, encode3
from miniredis.wire.requests import Request

if TYPE_CHECKING:
    from miniredis.database import Database
    from miniredis.engine import Engine

SUBSCRIBING = {"subscribe", "ssubscribe", "psubscribe", "unsubscribe", "sunsubscribe", "punsubscribe"}
"""What answers by pushes, one per channel."""

IN_SUBSCRIPTION = SUBSCRIBING | {"ping", "quit", "reset"}
"""What a RESP2 client may say while it is subscribed: it could not tell a reply from a message."""

DOES = Flag.WRITE | Flag.READONLY | Flag.DENYOOM | Flag.MAY_REPLICATE
MAY = Flag.LOADING | Flag.STALE

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
        self.authenticated = not engine.settings.requirepass  # asked only while there is a password
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
        self.in_exec = False  # nobody can wait or be told things one by one: replies are parts of a whole
        self.in_script = False

        self.channels: dict[bytes, None] = {}
        self.patterns: dict[bytes, None] = {}
        self.shard_channels: dict[bytes, None] = {}

        self.held_pushes: list[bytes] | None = None  # while a command runs: what follows its reply
        self.reply_mode = "on"  # CLIENT REPLY: on, off, skip (this one), skip next, skip both
        self.name = b""
        self.library_name = b""
        self.library_version = b""
        self.no_evict = self.no_touch = False
        self.monitoring = False
        self.shown_to_itself: list[bytes] = []  # of a monitor's own commands: what follows the reply
        self.paused = False  # a request stands at the head of `queue` until CLIENT PAUSE is over
        self.created_ms = self.last_used_ms = engine.now_ms
        self.last_command = "NULL"
        self.wake: Any = None  # the shell's object for this client
        self.fd = -1
        self.measure: Callable[[], tuple[int, int]] = self._unsent  # bytes (read but not yet run, not yet sent)
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
        ordinary_us = engine.ordinary_us
        started = now_us()
        if started > engine.refresh_at_us:
            engine.refresh_time()
        remaining = iter(requests)
        command = None
        for request in remaining:
            command = COMMANDS.get(request[0])
            if self.careful or guards or command is None or not command.fewest <= len(request) <= command.most:
                self._run_carefully(request)
                if self.blocked or self.closing:
                    if self.blocked:
                        self.queue.extend(remaining)
                    break
                started = now_us()
                if started > engine.refresh_at_us:
                    engine.refresh_time()
                continue
            dirty = engine.dirty
            try:
                if command.takes_session:
                    reply = command.handler(self, *request[1:])  # type: ignore[misc]
                else:
                    reply = command.handler(self.database, *request[1:])  # type: ignore[misc]
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
            elif kind is Status:
                out.append(STATUS_LINES[reply])
            elif kind is int:
                out.append(SMALL_INTEGERS[reply] if 0 <= reply < 1024 else b":%d\r\n" % reply)
            elif kind is Wait:
                engine.waiting.block(self, command, request, reply)
                self.queue.extend(remaining)
                break
            elif reply is not NO_REPLY:
                out.append(self.encode(reply))
                if isinstance(reply, RedisError):
                    commands[command.name].failed += 1
                    engine.stats.count_error(reply.code)
            ended = now_us()
            spent = ended - started
            if spent < ordinary_us:
                commands[command.name][spent] += 1
            else:
                self._note_slow(command, request, spent)
            started = ended
            if ended > engine.refresh_at_us:
                engine.refresh_time()
            if self.closing:
                break
        if command is not None and command.fewest <= command.most:
            self.last_command = command.name
        self.last_used_ms = engine.now_ms

    def go_on(self) -> None:
        """Carry out what came while the session was blocked."""
        if self.queue and not self.blocked and not self.closing:
            requests, self.queue = self.queue, deque()
            self.run(requests)

    # -- the careful road -----------------------------------------------------------------------------------------

    def _run_carefully(self, request: Request) -> None:
        engine = self.engine
        command = find(request)
        try:
            self._check(command, request)
        except RedisError as error:
            self._refuse(command, request, error)
            return
        assert command is not None
        if engine.pause.holds(self, command):
            self.queue.append(request)
            engine.pause.hold(self)
            return
        if self.in_transaction and command.name not in UNQUEUED:
            self.transaction.append((command, request))
            self.reply(QUEUED)
        else:
            self._perform(command, request)
        if not self.blocked:
            self._end_skip()

    def _perform(self, command: Command, request: Request) -> None:
        engine = self.engine
        if self.subscriptions or self.in_transaction:
            self.held_pushes = []
        if self.no_touch and command.name != "touch":
            engine.touching = False
        reply = self.carry_out(command, request)
        engine.touching = True
        if isinstance(reply, Wait):
            self.reply(NO_REPLY)
            engine.end_unit()
            engine.waiting.block(self, command, request, reply)
        else:
            self.reply(reply)  # before those whom this command serves: their replies are later in time
            engine.end_unit()
        if self.held_pushes is not None:
            self.out += self.held_pushes
            self.held_pushes = None

    def carry_out(self, command: Command, request: Request) -> Any:
        """Run a command that may run, and enter it into the statistics; the reply's value, or a Wait.

        Also what EXEC and scripts call for each of theirs.
        """
        engine = self.engine
        started = engine.clock.monotonic_us()
        self.last_command = command.name
        reply = engine.call(self, command, request)
        if not isinstance(reply, Wait):
            self.count(command, request, engine.clock.monotonic_us() - started, reply)
        return reply

    def _refuse(self, command: Command | None, request: Request, error: RedisError) -> None:
        """Answer a request that may not even be queued."""
        if command is not None:
            self.engine.stats.commands[command.name].rejected += 1
        self.engine.stats.count_error(error.code)
        if command is not None and command.name == "exec":
            self.end_transaction()
            self.engine.feed_monitors(self, request)  # whoever saw MULTI sees that it is over
            error = RedisError(f"EXECABORT Transaction discarded because of: {error.text.removeprefix('ERR ')}")
        elif self.in_transaction:
            self.transaction_failed = True
        self.reply(error)
        self._end_skip()

    def _check(self, command: Command | None, request: Request) -> None:
        """Whether `request` may be carried out, or queued, now.  Raises the error that Redis would give first."""
        engine = self.engine
        if command is None:
            raise unknown_command(request)
        if command.subcommands and len(request) > 1:
            raise unknown_subcommand(command, request)
        if command.handler is None or not command.accepts(len(request)):
            raise wrong_arity(command.name)
        if command.name == "debug" and not self._may_debug():
            raise RedisError(
                'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it '
                "from a local connection, otherwise you need to set this option in the configuration file, and then "
                "restart the server."
            )
        flags = command.flags
        if not self.authenticated and engine.settings.requirepass and not flags & Flag.NO_AUTH:
            raise RedisError("NOAUTH Authentication required.")
        if self.in_transaction and flags & Flag.NO_MULTI:
            raise RedisError("ERR Command not allowed inside a transaction")
        if engine.guards:
            engine.check_memory_and_disk(self, command)
        if self.protocol == 2 and self.subscriptions and command.name not in IN_SUBSCRIPTION:
            raise RedisError(
                f"ERR Can't execute '{command.name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
                "are allowed in this context"
            )
        if engine.loading and not self.flags_of(command) & Flag.LOADING:
            raise RedisError("LOADING Redis is loading the dataset in memory")
        if "busy" in engine.guards and not flags & Flag.ALLOW_BUSY:
            raise RedisError("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.")
        if self.monitoring and flags & (Flag.WRITE | Flag.READONLY | Flag.MAY_REPLICATE):
            raise RedisError("ERR Replica can't interact with the keyspace")

    def _may_debug(self) -> bool:
        allowed = self.engine.settings.enable_debug_command
        return bool(allowed == "yes" or (allowed == "local" and self.is_local))

    @property
    def is_local(self) -> bool:
        """Whether the client sits on this machine: a Unix socket or a loopback address."""
        return self.address.startswith(("127.", "[::1]", "::1")) or self.address.endswith(":0")

    def flags_of(self, command: Command) -> Flag:
        """The flags of `command`; EXEC may do what all of its commands may, and does what any of them does."""
        flags = command.flags
        if command.name == "exec":
            for queued, _ in self.transaction:
                flags |= queued.flags & DOES
                flags &= queued.flags | ~MAY
        return flags

    def count(self, command: Command, request: Request, spent_us: int, reply: Any) -> None:
        """Enter a finished call into the statistics."""
        stats = self.engine.stats
        if spent_us < self.engine.ordinary_us:
            stats.commands[command.name][spent_us] += 1
        else:
            self._note_slow(command, request, spent_us)
        if isinstance(reply, RedisError):
            stats.commands[command.name].failed += 1
            stats.count_error(reply.code)

    def _note_slow(self, command: Command, request: Request, spent_us: int) -> None:
        """Count a call that took long enough for one of the logs, or to be counted by its rough duration."""
        engine = self.engine
        engine.stats.commands[command.name][rough(spent_us)] += 1
        engine.slowlog.consider(self, command, request, spent_us)
        engine.latency.note("fast-command" if command.flags & Flag.FAST else "command", spent_us // 1000)

    # -- replies out ----------------------------------------------------------------------------------------------

    def reply(self, value: Any) -> None:
        """Answer a request, unless CLIENT REPLY told us to be silent."""
        if value is not NO_REPLY and self.reply_mode in ("on", "skip next"):
            self.out.append(self.encode(value))
        if self.shown_to_itself:
            self.out += self.shown_to_itself
            self.shown_to_itself.clear()

    def _end_skip(self) -> None:
        """A command is over: CLIENT REPLY SKIP concerns the one after it, and that one alone."""
        if self.reply_mode in ("skip next", "skip both"):
            self.reply_mode = "skip"
        elif self.reply_mode == "skip":
            self.reply_mode = "on"
            self.settle()

    def push(self, value: Any) -> None:
        """Say something unasked: a message, a notification.  What a command of its own led to comes behind the reply."""
        if self.held_pushes is not None:
            self.held_pushes.append(self.encode(value))
            return
        self.out.append(self.encode(value))
        self.schedule()

    def confirm(self, value: Any) -> None:
        """Say, as part of the reply, that a subscription has begun or ended; not even CLIENT REPLY silences that."""
        self.out.append(self.encode(value))

    def show(self, line: Status, *, its_own: bool) -> None:
        """To a monitor: a command.  One of its own it sees behind the reply; CLIENT REPLY silences this too."""
        if self.reply_mode in ("on", "skip next"):
            (self.shown_to_itself if its_own else self.out).append(self.encode(line))
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
        if self.reply_mode != "on":
            self._end_skip()
        self.schedule()

    def close(self, reason: str) -> None:
        """End the connection once what is in `out` has been sent."""
        self.closing = reason
        self.schedule()

    # -- state ----------------------------------------------------------------------------------------------------

    @property
    def type(self) -> str:
        """How buffer limits and CLIENT LIST class a client: normal or pubsub."""
        return "pubsub" if self.subscriptions else "normal"

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

    def _unsent(self) -> tuple[int, int]:
        return 0, sum(map(len, self.out))

    def start_over(self) -> None:
        """RESET: be as a client that has just come, the library it named aside."""
        engine = self.engine
        self.end_transaction()
        self._leave_channels()
        if self.monitoring:
            self.monitoring = False
            engine.stop_monitor(self)
        self.select(0)
        self.speak(2)
        self.name = b""
        if self.reply_mode != "skip":  # which ends with this very command
            self.reply_mode = "on"
        self.no_evict = self.no_touch = False
        self.authenticated = not engine.settings.requirepass
        self.settle()

    def select(self, index: int) -> None:
        self.database = self.engine.databases[index]

    def speak(self, protocol: int) -> None:
        """HELLO: 2 or 3 from now on."""
        self.protocol = protocol
        self.encode = encode3 if protocol == 3 else encode2

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

    def watches_expired_key(self) -> bool:
        """Whether the time of a watched key has come since it was watched, though nobody has removed it yet."""
        return any(database.peek_expired(key) and not database.watchers[key][self] for database, key in self.watched)

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
        engine.pause.held.pop(self, None)
        self.blocked = self.paused = False
        self.queue.clear()
        self.end_transaction()
        self._leave_channels()
        engine.stop_monitor(self)
        engine.sessions.pop(self.id, None)

    def _leave_channels(self) -> None:
        pubsub = self.engine.pubsub
        for table, names in (
            (pubsub.channels, self.channels),
            (pubsub.patterns, self.patterns),
            (pubsub.shard_channels, self.shard_channels),
        ):
            for name in names:
                pubsub.remove(table, name, self)
            names.clear()


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
