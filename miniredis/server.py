"""The shell: sockets, timers and files around the engine.

What happens in one turn of the event loop, and in which order, is the promise a client relies on:

    1  bytes arrive; the reader cuts them into requests; the session runs them     (engine: no input or output)
    2  what they changed is appended to the file and has gone through write()       (persistence)
    3  the replies leave; under `appendfsync always` when fsync has covered them     (here)

Without persistence 2 is empty and a reply leaves at the end of 1.  With it, all clients served in one turn share one
write(), and under `always` one fsync: a reply carries the position in the file that it may depend on and waits at the
gate until that position is durable.  This holds for every byte that leaves: a read may show what another client wrote a
moment ago.
"""

from __future__ import annotations

import asyncio
from collections import deque
from random import Random
from typing import Any

import miniredis.commands  # noqa: F401  fills the command table
from miniredis.engine import Engine
from miniredis.session import Session
from miniredis.wire.requests import RequestReader
from serving.clock import Clock
from serving.connection import Connection, Limits
from serving.open_connections import OpenConnections

BLOCKED = "blocked"


class Client(Connection):
    """One client's socket: bytes to the reader, requests to the session, replies back.  It knows no command."""

    def __init__(self, server: Server) -> None:
        super().__init__(server.connections, server.limits["normal"])
        self.server = server

    def made(self) -> None:
        engine = self.server.engine
        self.reader = RequestReader(engine.settings.proto_max_bulk_len)
        self.session = Session(
            engine,
            address=shown_address(self.transport.get_extra_info("peername")),
            local_address=shown_address(self.transport.get_extra_info("sockname")),
        )
        self.session.wake = self
        self.reader.authenticated = self.session.authenticated

    def data_received(self, data: bytes) -> None:
        session = self.session
        session.input_bytes += len(data)
        requests = self.reader.receive(data)
        if requests:
            self.heard = True
            session.run(requests)
        elif self.reader.buffered:
            self.check_query_buffer(self.reader.buffered)
        if self.held:
            self.read_ahead(len(data))
        if self.reader.error is not None or session.closing or session.blocked:
            self._settle()
        if session.out:
            self.server.answer(self)
        if self.server.engine.to_flush:
            self.server.flush_sessions()

    def _settle(self) -> None:
        """The unusual ends of a turn: a protocol error, a client that leaves, one that must wait."""
        session = self.session
        if self.reader.error is not None and not session.blocked and not session.closing:
            session.out.append(self.reader.error.reply())
            session.close("protocol error")
        if session.blocked:
            self.hold(BLOCKED)
            self.idle_allowed = True

    def resumed(self) -> None:
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
        self.idle_allowed = session.blocked or bool(session.subscriptions)
        if session.closing:
            self.server.close_after_answer(self)

    def lost(self, why: Exception | str | None) -> None:
        self.session.end()


class Server:
    """A Redis server on the running event loop."""

    def __init__(self, settings: Any, *, clock: Clock, random: Random) -> None:
        loop = asyncio.get_running_loop()
        self.settings = settings
        self.engine = Engine(settings, clock, random, loop.call_later)
        self.limits = {"normal": Limits(), "pubsub": Limits()}
        self.connections = OpenConnections()
        self.answering: dict[Client, None] = {}  # whose replies wait for the end of this turn
        self.gate: deque[tuple[int, Client, bytes]] = deque()  # (position, ...): what waits for an fsync

    def client(self) -> Client:
        """A protocol for one accepted connection."""
        return Client(self)

    def answer(self, client: Client) -> None:
        """Send what `client.session.out` holds, as soon as it may leave."""
        out = client.session.out
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        client.session.output_bytes += len(data)
        client.write(data)

    def flush_sessions(self) -> None:
        """Send what sessions have to say that were not asked, and let those go on that were served."""
        engine = self.engine
        while engine.to_flush:
            sessions, engine.to_flush = engine.to_flush, []
            for session in sessions:
                session.wake.flush_session()

    def close_after_answer(self, client: Client) -> None:
        client.close(client.session.closing or "closed")


def shown_address(name: Any) -> str:
    """host:port as CLIENT LIST shows it; a Unix socket's path with :0."""
    if isinstance(name, tuple):
        host, port = name[:2]
        return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
    return f"{name or ''}:0"
