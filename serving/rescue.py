"""Answering while the event loop stands still.

A script runs in the middle of the loop's turn, and while it runs nobody reads a socket.  When it takes too long, it
calls `Rescue.look` from time to time (Lua's instruction hook makes that possible), which reads what has come on the
sockets by itself, hands it to the connections as the loop would, and sends what they answer.  The connections do not
notice the difference; that every answer but one is an error is the server's doing, not ours.

A thread of its own was the other way.  It would have to share every connection with the loop's thread; here nothing
runs at the same time as anything else, and a test can replay it.

What waits for the loop: TLS (the bytes on the socket are not yet the peer's), whatever a peer does not read at once, and
connections' ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
from collections.abc import Callable, Iterable
from typing import Any

from serving.connection import Connection, Link
from serving.open_connections import OpenConnections

READ_BYTES = 64 * 1024


class Rescue:
    """Serves the connections of one server from within a blocked turn.

    listening        the server's listening sockets
    make_connection  as the listener makes them; connections accepted here are handed to the loop by `hand_over`
    """

    def __init__(
        self,
        connections: OpenConnections,
        listening: Callable[[], Iterable[socket.socket]],
        make_connection: Callable[[], Connection],
    ) -> None:
        self.connections = connections
        self.listening = listening
        self.make_connection = make_connection
        self._accepted: dict[Link, BareTransport] = {}
        self._handing: set[asyncio.Task[Any]] = set()  # kept, or the collector may take a task that runs

    def look(self, standing: Link | None) -> None:
        """Serve whoever has sent something, except `standing`, in whose name the turn is blocked."""
        self._accept()
        by_fd: dict[int, Connection] = {}
        poll = select.poll()
        for connection in self.connections:
            if connection is standing or connection.closing or not isinstance(connection, Connection):
                continue
            if (fd := _plain_fd(connection.transport)) >= 0:
                by_fd[fd] = connection
                poll.register(fd, select.POLLIN)
        for fd, _ in poll.poll(0):
            with contextlib.suppress(BlockingIOError, ConnectionError):
                if data := os.read(fd, READ_BYTES):
                    self._feed(by_fd[fd], data)

    @staticmethod
    def _feed(connection: Connection, data: bytes) -> None:
        """Hand `data` over and let the answer leave at once: without a buffer to fill, uvloop writes immediately."""
        connection.transport.set_write_buffer_limits(high=0)
        connection.data_received(data)
        if not connection.closing:
            connection.use_limits(connection.limits)

    def _accept(self) -> None:
        for listening in self.listening():
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(listening.fileno())) as listener:
                while True:
                    accepted, _ = listener.accept()
                    accepted.setblocking(False)
                    connection = self.make_connection()
                    transport = BareTransport(accepted)
                    connection.connection_made(transport)
                    self._accepted[connection] = transport

    def hand_over(self) -> None:
        """The turn goes on: connections that came meanwhile become the loop's."""
        accepted, self._accepted = self._accepted, {}
        loop = asyncio.get_running_loop()
        for connection, transport in accepted.items():
            if connection.closing:
                transport.socket.close()
                connection.connection_lost(None)
            else:
                handing = loop.create_task(loop.connect_accepted_socket(_giving(connection), transport.socket))
                self._handing.add(handing)
                handing.add_done_callback(self._handing.discard)


def _giving(connection: Link) -> Callable[[], Any]:
    return lambda: connection


def _plain_fd(transport: asyncio.Transport) -> int:
    """The descriptor of a connection whose bytes are the peer's own; -1 for TLS and what has no socket."""
    bound = transport.get_extra_info("socket")
    if bound is None or transport.get_extra_info("sslcontext") is not None:
        return -1
    return int(bound.fileno())


class BareTransport(asyncio.Transport):
    """A socket that is not yet in any loop: writes what the kernel takes, at once."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__({"socket": sock, "peername": sock.getpeername(), "sockname": sock.getsockname()})
        self.socket = sock

    def write(self, data: bytes | bytearray | memoryview) -> None:
        with contextlib.suppress(OSError):
            self.socket.send(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass
