"""The engine: what all clients of one server share, and the road that every command takes.

No socket, file, thread or clock is opened here.  Whatever is needed of them is handed in: settings, a `Clock`, a
`Random`, a way to set a timer; whatever must happen outside is left in a place where the shell (`server.py`) looks
after each turn:

    pending     commands to be written to the append-only file, and later to replicas      → taken by `propagate_to`
    to_flush    sessions that have something to say though they were not asked (pub/sub, a served BLPOP)

The road of a command, `call`, is the same for a client, EXEC, a script, and the loading of an append-only file: run the
handler, see whether it changed anything, note what has to be written down.  What surrounds it (may this client do that
now?) belongs to the session.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from miniredis.blocking import Waiting
from miniredis.command import Command, Flag
from miniredis.database import Database
from miniredis.errors import RedisError
from miniredis.eviction import Eviction
from miniredis.expiry import ExpiryCycle
from miniredis.host import Host, NoHost
from miniredis.latency import LatencyMonitor
from miniredis.notifications import EVENT_CLASSES, Notifications
from miniredis.pausing import Pause
from miniredis.persistence.contract import NoPersistence, Persistence
from miniredis.pubsub import PubSub
from miniredis.slowlog import Slowlog
from miniredis.stats import EXACT_US, Rates, Stats
from miniredis.wire.replies import Status
from miniredis.wire.requests import Request
from serving.clock import Clock

if TYPE_CHECKING:
    from miniredis.scripting.scripts import Scripts
    from miniredis.session import Session

logger = logging.getLogger("miniredis")

Unit = list[tuple[int, Request]]
"""Commands that take effect together, each with its database: they are written down between MULTI and EXEC."""


class Timer(Protocol):
    def cancel(self) -> None: ...


class Engine:
    """Everything a Redis server knows between two requests."""

    def __init__(
        self,
        settings: Any,
        clock: Clock,
        random: Random,
        call_later: Callable[[float, Callable[[], None]], Timer],
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.random = random
        self.call_later = call_later  # seconds, callback
        self.bucket_seed = random.getrandbits(63)
        self.run_id = f"{random.getrandbits(160):040x}"
        self.replication_id = f"{random.getrandbits(160):040x}"
        self.replication_offset = 0

        self.now_ms = clock.now_ms()  # stands still while a command runs
        self.refresh_at_us = 0  # when `now_ms` is a millisecond old
        self.started_ms = self.now_ms

        self.databases = [Database(self, index) for index in range(settings.databases)]
        self.sessions: dict[int, Session] = {}
        self.next_session_id = 1
        self.stats = Stats()
        self.rates = Rates()
        self.keyspace_hits = self.keyspace_misses = self.expired_keys = 0
        self.packed_threshold = 1 << 30  # bytes: a larger element stands in a list block of its own
        self.peak_memory = 0  # the most bytes of data that anyone who asked has seen

        self.dirty = 0  # changes since the last snapshot
        self.pending: Unit = []
        self.request: Request = ()  # what the client said, while a command runs on the careful road
        self.replaced = False  # the running command said itself what is to be written down
        self.propagate_to: Callable[[Unit], None] | None = None  # the append-only file, once it is open

        self.persistence: Persistence = NoPersistence(self.now_ms)
        self.host: Host = NoHost()

        self.ready: list[tuple[Database, bytes]] = []  # keys that appeared while somebody waits for them
        self.waiting = Waiting(self)
        self.to_flush: list[Session] = []
        self.pubsub = PubSub(self)
        self.notifications = Notifications(self)
        self.slowlog = Slowlog(self)
        self.latency = LatencyMonitor(self)
        self.ordinary_us = EXACT_US  # a call that takes less is counted, and that is all
        self.pause = Pause(self)
        self.monitors: dict[Session, None] = {}  # while there are any, "monitor" stands in guards

        self.loading = False
        self.expiring_paused = False  # DEBUG SET-DISABLE-DENY, CLIENT PAUSE: an expired key is unseen, not removed
        self.guards: set[str] = set()  # why every command has to go the careful way
        self.write_error: str | None = None  # why writes are refused: the text of the MISCONF error
        self.touching = True
        self.counting_uses = False  # an LFU policy: stamps are made by `stamp`; else each is `first_stamp`
        self.weighing = False
        self.notifying = False
        self.eviction = Eviction(self)
        self.expiry = ExpiryCycle(self)
        self.first_stamp = self.eviction.first_stamp()
        self.script_instructions_max = 0  # in simulation, where computing takes no time, what ends a script
        self.serve_while_busy: Callable[[], None] = lambda: None  # the shell: answer others while a script runs
        self.take_settings(settings)
        settings.on_change(self.take_settings)
        settings.on_change(lambda _: self.eviction.configure(), "maxmemory", "maxmemory-policy")

    @cached_property
    def scripts(self) -> Scripts:
        """Lua, which is opened when the first script comes."""
        from miniredis.scripting.scripts import Scripts

        return Scripts(self)

    def stop_scripts(self) -> None:
        """SHUTDOWN NOSAVE, while a script runs: it ends now, whatever it has written."""
        if self.scripts.running is not None:
            self.scripts.kill_asked = True

    # -- time ---------------------------------------------------------------------------------------------------

    def refresh_time(self) -> None:
        """Let the time stand where it is now; called before commands, at most a millisecond apart."""
        self.refresh_at_us = self.clock.monotonic_us() + 1000
        self.now_ms = self.clock.now_ms()
        self.first_stamp = self.eviction.first_stamp()

    def stamp(self, old: int) -> int:
        """What `Database.touched` keeps of a key used now, whose last stamp was `old`, while uses are counted."""
        return self.eviction.stamp(old)

    # -- the road of a command ------------------------------------------------------------------------------------

    def call(self, session: Session, command: Command, request: Request) -> Any:
        """Run one command and note what it changed; returns the reply's value, an error as a RedisError value.

        `session` may do this: that was asked before.  The caller ends the unit with `end_unit`.
        """
        self.request = request
        dirty = self.dirty
        database = session.database
        self.replaced = False
        try:
            skip = 2 if command.parent is not None else 1
            reply = command.handler(session if command.takes_session else database, *request[skip:])  # type: ignore[misc]
        except RedisError as error:
            reply = error
        except Exception as error:
            reply = self.fault(command, error)
        if self.monitors and not (session.blocked or command.flags & (Flag.SKIP_MONITOR | Flag.ADMIN)):
            self.feed_monitors(session, command.shown(request))
        if self.dirty != dirty and not self.replaced and command.writes:
            self.propagate(database.index, request)
        self.replaced = False
        return reply

    def fault(self, command: Command, error: Exception) -> RedisError:
        """A bug of ours in `command`: the log gets the whole of it, the client an error, and the server lives on."""
        logger.error("%s failed", command.name.upper(), exc_info=error)
        self.stats.unexpected_errors += 1
        self.replaced = False
        return RedisError(f"ERR internal error in '{command.name}' command")

    def propagate(self, database: int, request: Request) -> None:
        """Write `request` down as an effect of what is running, beside or before the command itself."""
        if self.propagate_to is not None and not self.loading:
            self.pending.append((database, request))

    def propagate_instead(self, database: int, *requests: Request) -> None:
        """Write `requests` down in place of the running command: what it did, with time and chance taken out.
        None at all means that nothing is to be written."""
        self.replaced = True
        for request in requests:
            self.propagate(database, request)

    def end_unit(self) -> None:
        """A client's command, with all it led to, is over: hand on what was noted, serve who waited for it."""
        if self.pending:
            unit, self.pending = self.pending, []
            if self.propagate_to is not None:
                self.propagate_to(unit)
        if self.ready:
            self.waiting.serve_ready()

    def check_memory_and_disk(self, session: Session, command: Command) -> None:
        """Whether there is room, and a disk that takes what is written.  Raises what Redis answers if not."""
        if "maxmemory" in self.guards:
            self.eviction.make_room(session, command)
        if self.write_error is not None and (session.flags_of(command) & Flag.WRITE or command.name == "ping"):
            raise RedisError(self.write_error)

    def start_monitor(self, session: Session) -> None:
        """Show `session` every command from now on, which costs every client the fast road."""
        self.monitors[session] = None
        self.guards.add("monitor")

    def stop_monitor(self, session: Session) -> None:
        self.monitors.pop(session, None)
        if not self.monitors:
            self.guards.discard("monitor")

    def feed_monitors(self, session: Session, request: Request) -> None:
        """Show `request` to everyone who said MONITOR."""
        line = monitor_line(self.clock.now_ms(), session, request)
        for monitor in self.monitors:
            monitor.show(Status(line), its_own=monitor is session)

    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT."""
        self.stats.reset()
        self.keyspace_hits = self.keyspace_misses = self.expired_keys = 0

    def take_settings(self, settings: Any) -> None:
        """Hand on the settings that parts keep in a form of their own; called at the start and after CONFIG SET."""
        self.slowlog.threshold_us = settings.slowlog_log_slower_than
        self.slowlog.trim()
        limits = [EXACT_US]
        if settings.slowlog_log_slower_than >= 0:
            limits.append(settings.slowlog_log_slower_than)
        if settings.latency_monitor_threshold:
            limits.append(settings.latency_monitor_threshold * 1000)
        self.ordinary_us = min(limits)
        self.notifications.configure(settings.notify_keyspace_events)
        for session in self.sessions.values():
            session.settle()

    # -- keyspace ---------------------------------------------------------------------------------------------------

    def notify(self, event: str, key: bytes, database: int) -> None:
        """A keyspace notification, to those who subscribed, if its class is switched on."""
        self.notifications.publish(EVENT_CLASSES.get(event, "g"), event, key, database)

    def weigh(self, database: Database, key: bytes) -> None:
        """`key` was changed: take its new size into the account that `maxmemory` bounds."""
        self.eviction.weigh(database, key)


def monitor_line(now_ms: int, session: Session, request: Request) -> str:
    """`1339518083.107412 [0 127.0.0.1:60866] "keys" "*"`"""
    words = " ".join(quoted(word) for word in request)
    source = "lua" if session.in_script else session.address
    return f"{now_ms // 1000}.{now_ms % 1000 * 1000:06d} [{session.database.index} {source}] {words}"


def quoted(word: bytes) -> str:
    """`word` in double quotes, what does not print as an escape.  Source: `sds.c`, sdscatrepr."""
    return '"' + "".join(ESCAPED[byte] for byte in word) + '"'


ESCAPED = [chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in range(256)]
for _char, _escape in {
    "\\": "\\\\",
    '"': '\\"',
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\a": "\\a",
    "\b": "\\b",
}.items():
    ESCAPED[ord(_char)] = _escape
