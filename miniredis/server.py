"""The shell: sockets, timers and files around the engine.

What happens in one turn of the event loop, and in which order, is the promise a client relies on:

    1  bytes arrive; the reader cuts them into requests; the session runs them     (engine: no input or output)
    2  what they changed is appended to the file and has gone through write()       (persistence)
    3  the replies leave; under `appendfsync always` when fsync has covered them     (here)

Without an append-only file 2 is empty.  With one, all clients served in one turn share one write(), and under `always`
one fsync: a reply carries the position in the file that it may depend on and waits at the gate until that position is
durable.  This holds for every byte that leaves: a read may show what another client
wrote a moment ago.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, Any

import miniredis.commands  # noqa: F401  fills the command table
from durable.disk import Disk
from miniredis.engine import Engine
from miniredis.errors import RedisError
from miniredis.host import Host, ShutdownWish
from miniredis.persistence.files import FilePersistence, LoadFailed
from miniredis.persistence.snapshotter import Snapshotter
from miniredis.session import Session
from miniredis.wire.replies import encode_error
from miniredis.wire.requests import RequestReader
from serving.background import Background
from serving.clock import Clock
from serving.connection import Connection, Limits
from serving.listener import Endpoint, Listener, Tcp, Unix, tls_context
from serving.open_connections import OpenConnections
from serving.program import StartError, StopRefused
from serving.rescue import Rescue

if TYPE_CHECKING:
    from serving.admin import Admin

logger = logging.getLogger("miniredis")

BLOCKED = "blocked"
LOOPBACK = ("127.", "[::1]", "::1", "[::ffff:127.")
DENIED = RedisError(
    "DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the "
    "default user. In this mode connections are only accepted from the loopback interface. To accept clients from "
    "other machines, set a password with requirepass, or start the server with --protected-mode no."
)


class Client(Connection):
    """One client's socket: bytes to the reader, requests to the session, replies back.  It knows no command."""

    def __init__(self, server: Server) -> None:
        super().__init__(server.connections, server.limits["normal"])
        self.server = server
        self.kind = "normal"  # whose output limits hold: a subscriber's differ
        self.gated = 0  # replies of ours that wait for an fsync

    def made(self) -> None:
        self.engine = engine = self.server.engine
        self.counted = engine.stats
        self.reader = RequestReader(engine.settings.proto_max_bulk_len)
        self.session = session = Session(
            engine,
            address=shown_address(self.transport.get_extra_info("peername")),
            local_address=shown_address(self.transport.get_extra_info("sockname")),
        )
        session.wake = self
        session.measure = lambda: (self.reader.buffered, self.transport.get_write_buffer_size())
        if (bound := self.transport.get_extra_info("socket")) is not None:
            session.fd = bound.fileno()
        self.reader.authenticated = session.authenticated
        engine.stats.connections_received += 1
        if engine.settings.protected_mode and not engine.settings.requirepass and not session.is_local:
            self.write(encode_error(DENIED))
            self.close("protected mode")

    def data_received(self, data: bytes) -> None:
        session, reader = self.session, self.reader
        self.counted.input_bytes += len(data)
        requests = reader.receive(data)
        if requests:
            self.heard = True
            session.run(requests)
        elif reader.buffered:
            self.check_query_buffer(reader.buffered)
        if self.held:
            self.read_ahead(len(data))
        if session.careful or session.blocked or session.closing or reader.error or not reader.authenticated:
            self._settle()
        if session.out:
            self.server.answer(self)
        if self.engine.to_flush:
            self.server.flush_sessions()

    def _settle(self) -> None:
        """The unusual ends of a turn: a protocol error, a stranger let in, a subscriber, a client that must wait."""
        session = self.session
        if not session.authenticated:
            self.reader.authenticated = False
        elif not self.reader.authenticated and (requests := self.reader.admit()):
            session.run(requests)
        kind = "pubsub" if session.subscriptions else "normal"
        if kind != self.kind:
            self.kind = kind
            self.use_limits(self.server.limits[kind])
        if self.reader.error is not None and not session.blocked and not session.closing:
            session.out.append(self.reader.error.reply())
            session.close("protocol error")
        if session.blocked:
            self.hold(BLOCKED)
        self.idle_allowed = session.blocked or bool(session.subscriptions)

    def resumed(self) -> None:
        """Nothing holds the client back any more: on with what it had sent."""
        self.session.go_on()
        self._settle()
        if self.session.out:
            self.server.answer(self)

    def flush_session(self) -> None:
        """The session has something to say, or has been served, or ends."""
        session = self.session
        session.scheduled = False
        if session.out:
            self.server.answer(self)
        if not session.blocked:
            self.resume(BLOCKED)
        self._settle()
        if session.closing:
            self.server.close_after_answer(self)

    def lost(self, why: Exception | str | None) -> None:
        self.session.end()
        self.server.engine.end_unit()


class Server:
    """A Redis server on the running event loop.

    disk, snapshotter   where files are, and how a copy of the data is taken while it changes
    host                the process around it, for INFO, SHUTDOWN and CONFIG REWRITE; none in simulation
    endpoints           where to listen, instead of what the settings say
    """

    def __init__(
        self,
        settings: Any,
        *,
        clock: Clock,
        random: Random,
        disk: Disk,
        snapshotter: Snapshotter,
        background: Background | None = None,
        endpoints: Sequence[Endpoint] | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.loop = loop
        self.settings = settings
        self.engine = engine = Engine(settings, clock, random, self._call_later)
        self.background = background or Background()
        self.endpoints = endpoints
        self.limits = {"normal": Limits(), "pubsub": Limits()}
        self.connections = OpenConnections(refusal=b"-ERR max number of clients reached\r\n")
        self.listener = Listener(self.client, backlog=settings.tcp_backlog)
        self.persistence = FilePersistence(engine, disk, snapshotter, on_durable=self._open_gate, on_fatal=self._fail)
        engine.persistence = self.persistence
        engine.serve_while_busy = self._serve_while_busy
        self.rescue = Rescue(self.connections, lambda: self.listener.sockets, self.client)
        self.rescuing = self._handing_over = False
        self.answering: dict[Client, None] = {}  # whose replies leave at the end of this turn
        self.gate: deque[tuple[int, Client, bytes]] = deque()  # (position, ...): what waits for an fsync
        self.request_stop: Any = lambda exit_code=0: None  # the program's: end the process in good order
        self.failed = False
        self.saved = False  # SHUTDOWN has done what is to be done before the end
        self.admin: Admin | None = None  # /metrics and /health, where asked for
        self._take_limits()
        settings.on_change(lambda _: self._take_limits())

    def use_host(self, host: Host) -> None:
        self.engine.host = host

    # -- life -----------------------------------------------------------------------------------------------------

    def addresses(self) -> Sequence[tuple[str, int] | str]:
        return self.listener.addresses

    async def start(self) -> None:
        """Listen, read the data in (clients are answered -LOADING meanwhile), begin the regular work."""
        await self.listener.start(self.endpoints if self.endpoints is not None else endpoints_of(self.settings))
        if self.admin is not None:
            await self.admin.start(self.settings.admin_bind, self.settings.admin_port)
        try:
            await self.persistence.start()
        except LoadFailed as error:
            raise StartError(str(error)) from error
        self.background.every(lambda: 1 / self.settings.hz, self._cron, "cron")
        logger.info("%s", kept_by(self.settings))

    async def stop(self) -> None:
        """Take no new clients, save what the save points ask for, let clients take their replies."""
        if not self.failed and not self.saved and not self.persistence.prepare_stop(ShutdownWish()):
            raise StopRefused("the snapshot could not be written; SHUTDOWN NOSAVE ends without it")
        self.listener.stop_accepting()
        await self.persistence.stop()
        self._end_turn()
        await self.connections.stop(self.settings.drain_seconds)
        if self.admin is not None:
            await self.admin.stop()

    def shut_down(self, wish: ShutdownWish) -> bool:
        """SHUTDOWN, from a client; False when a save failed and we go on."""
        if not self.persistence.prepare_stop(wish) and not wish.force:
            return False
        self.saved = True
        if self.rescuing:
            self.engine.stop_scripts()
        self.request_stop(0)
        return True

    def _fail(self, reason: str) -> None:
        """Nothing may be acknowledged any more: end before another reply leaves."""
        logger.critical("%s: exiting", reason)
        self.failed = True
        self.gate.clear()
        self.answering.clear()
        for connection in self.connections:
            connection.abort("server failure")
        self.request_stop(1)

    def _cron(self) -> None:
        """The regular work, `hz` times a second."""
        engine = self.engine
        period_ms = 1000 // self.settings.hz
        engine.refresh_time()
        engine.expiry.run(period_ms)
        engine.rates.sample(engine.now_ms, engine.stats)
        self.persistence.tick()
        engine.end_unit()
        self.flush_sessions()
        self._end_turn_soon()

    def _call_later(self, seconds: float, callback: Any) -> asyncio.TimerHandle:
        """Timers of the engine; what they make sessions say leaves when they end."""

        def fire() -> None:
            self.engine.refresh_time()
            callback()
            self.engine.end_unit()
            self.flush_sessions()

        return self.loop.call_later(seconds, fire)

    def _take_limits(self) -> None:
        """Take over what settings say about clients."""
        settings = self.settings
        self.connections.maximum = settings.maxclients
        self.connections.use_idle_seconds(settings.timeout)
        for kind, limits in self.limits.items():
            hard, soft, seconds = settings.client_output_buffer_limit[kind]
            limits.output_hard_bytes, limits.output_soft_bytes = hard, soft
            limits.output_soft_seconds = seconds
            limits.query_buffer_bytes = settings.client_query_buffer_limit
        for connection in self.connections:
            connection.use_limits(connection.limits)

    # -- replies --------------------------------------------------------------------------------------------------

    def client(self) -> Client:
        """A protocol for one accepted connection."""
        return Client(self)

    def answer(self, client: Client) -> None:
        """Send what `client.session.out` holds at the end of this turn.

        All clients served in one turn are answered together.  A log needs that, to give them one write(); without a log
        it is still a quarter quicker than to answer each at once, as clients then find their replies together too.
        """
        if self.rescuing:
            self._write(client, self._take(client))
            return
        if not self.answering:
            self.loop.call_soon(self._end_turn)
        self.answering[client] = None

    def _take(self, client: Client) -> bytes:
        out = client.session.out
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        client.counted.output_bytes += len(data)
        return data

    def _write(self, client: Client, data: bytes) -> None:
        client.write(data)
        if client.session.closing and not client.gated:
            client.close(client.session.closing)

    def _end_turn_soon(self) -> None:
        """Background work may have changed data that no reply will flush."""
        if self.persistence.appending and not self.answering:
            self.loop.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        """All that was changed in this turn goes through write(), then the replies may leave."""
        persistence = self.persistence
        persistence.flush()
        if self.failed:
            return
        answering, self.answering = self.answering, {}
        if persistence.gating and persistence.durable_offset < (position := persistence.written_offset):
            for client in answering:
                client.gated += 1
                self.gate.append((position, client, self._take(client)))
            return
        for client in answering:
            self._write(client, self._take(client))

    def _open_gate(self) -> None:
        """More has become durable: let out what waited for it."""
        durable = self.persistence.durable_offset
        gate = self.gate
        while gate and gate[0][0] <= durable:
            _, client, data = gate.popleft()
            client.gated -= 1
            self._write(client, data)

    def flush_sessions(self) -> None:
        """Send what sessions have to say that were not asked, and let those go on that were served."""
        engine = self.engine
        while engine.to_flush:
            sessions, engine.to_flush = engine.to_flush, []
            for session in sessions:
                session.wake.flush_session()

    def close_after_answer(self, client: Client) -> None:
        if not client.gated and client not in self.answering:
            client.close(client.session.closing or "closed")

    def _serve_while_busy(self) -> None:
        """A script takes too long: answer the others, who get BUSY or kill it."""
        self.rescuing = True
        try:
            self.rescue.look(self.engine.scripts.caller.wake)
            self.flush_sessions()
        finally:
            self.rescuing = False
        if not self._handing_over:
            self._handing_over = True
            self.loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        self._handing_over = False
        self.rescue.hand_over()


LOSS = {"always": "nothing acknowledged", "everysec": "two seconds of writes at most", "no": "what the system held"}


def kept_by(settings: Any) -> str:
    """What a crash would lose, in a line for the log."""
    where, policy = settings.dir, settings.appendfsync
    if settings.appendonly:
        return f"Every write is kept in {where}; with appendfsync {policy} a crash loses {LOSS[policy]}"
    if settings.save:
        points = ", ".join(f"{changes} changes in {seconds} s" for seconds, changes in settings.save)
        return (
            f"Snapshots are kept in {where}, after {points}; a crash loses the writes since the last one "
            "(--appendonly yes keeps every write)"
        )
    return "Nothing is kept: neither save points nor an append-only file"


def endpoints_of(settings: Any) -> list[Endpoint]:
    """Where the settings say to listen: `bind`, `port` (0: no TCP), `tls-port`, `unixsocket`.  Raises ListenError."""
    endpoints: list[Endpoint] = []
    hosts = settings.bind or ["*"]
    if settings.port:
        endpoints += [Tcp(host, settings.port) for host in hosts]
    if settings.tls_port:
        context = tls_context(
            certificate=settings.tls_cert_file,
            key=settings.tls_key_file,
            key_password=settings.tls_key_file_pass,
            authorities=settings.tls_ca_cert_file,
            authorities_dir=settings.tls_ca_cert_dir,
            clients=settings.tls_auth_clients,
            ciphers=settings.tls_ciphers,
        )
        endpoints += [Tcp(host, settings.tls_port, context) for host in hosts]
    if settings.unixsocket:
        endpoints.append(Unix(settings.unixsocket, settings.unixsocketperm or None))
    return endpoints


def shown_address(name: Any) -> str:
    """host:port as CLIENT LIST shows it; a Unix socket's path with :0."""
    if isinstance(name, tuple):
        host, port = name[:2]
        return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
    return f"{name or ''}:0"
