"""One client's socket: what bounds it, and what a server must be able to do with it.

    bytes --> data_received (yours) --> write() / send() --> transport
                   ^                         |
                   | hold, resume            | too much unread by the peer: hold reading, then the limits
                   +-------------------------+

A server derives from `Connection` and overrides `data_received`; nothing of the base runs between the socket
and that method, and `write` adds one comparison to the transport's own.  What the base does happens when
something is unusual:

    a request must wait (BLPOP)       hold("blocked"): no further request is begun, yet the socket is listened
                                      to, so that a client that hangs up is noticed; past READ_AHEAD bytes the
                                      kernel keeps the rest
    the peer does not read            hold(SLOW_READER) stops the socket itself, until it has read
    it never does                     the output limits: hard at once, soft after so many seconds
    it sends no whole request         the query-buffer limit and the idle time
    it does not read its last reply   `close` waits CLOSE_SECONDS, then aborts

Redis differs in never holding a slow reader back: replies pile up to the output limit, which for normal
clients is none. `Limits.slow_reader_bytes` is generous for that reason: a client that writes its whole
pipeline before it reads the first reply would wait for ever on a server that stops reading early.

Next: open_connections.py counts them and closes the idle; listener.py accepts them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from serving.open_connections import OpenConnections

SLOW_READER = "slow reader"
READ_AHEAD = 256 * 1024
"""Bytes taken from the socket while requests are held: as much as a pipeline, not as much as an attack."""
CLOSE_SECONDS = 10
"""How long a peer may take to read what was written before `close`."""
JOIN_BYTES = 64 * 1024
"""Pieces that are less than this together are joined before they are written."""
MARK_MAX = 2**31 - 1
"""uvloop keeps its marks in an int.  Past it a limit is still looked at, with every write."""


@dataclass
class Limits:
    """What one class of clients may use.  0 means no limit.  Shared by its connections: a change counts at
    once.

    output_hard_bytes     unread output at which the connection is dropped
    output_soft_bytes     the same, when it stays there for output_soft_seconds
    slow_reader_bytes     unread output at which no more requests are read
    query_buffer_bytes    input without a whole request at which the connection is dropped
    """

    output_hard_bytes: int = 0
    output_soft_bytes: int = 0
    output_soft_seconds: float = 0
    slow_reader_bytes: int = 16 * 1024 * 1024
    query_buffer_bytes: int = 1024 * 1024 * 1024

    def high_water(self) -> int:
        """The least unread output that concerns anyone: the transport says when it is passed."""
        thresholds = (self.output_hard_bytes, self.output_soft_bytes, self.slow_reader_bytes)
        return min((each - 1 for each in thresholds if 0 < each <= MARK_MAX), default=MARK_MAX)


class Link(asyncio.BaseProtocol):
    """All that does not depend on how bytes come in.  Hooks: `made`, `resumed`, `drain`, `lost`."""

    transport: asyncio.Transport

    def __init__(self, connections: OpenConnections, limits: Limits | None = None) -> None:
        self.connections = connections
        self.limits = limits or connections.limits
        self.loop = asyncio.get_running_loop()
        self.held = False
        """Whether no further request may begin (a hold, or the end): look at it between two of them."""
        self.heard = True
        """Set it when a whole request was read: bytes that never become one leave a connection idle."""
        self.idle_allowed = False
        """True for a client that waits by right (subscribed, blocked): the idle time is not for it."""
        self.idle_since = self.loop.time()
        self.closing = False
        self._holds: list[str] = []
        self._stopped = False  # the transport's reading
        self._ahead = 0
        self._congested = False
        self._plain = True  # a write is the transport's and nothing else: not congested, nothing gathered, not over
        self._queued: list[bytes | bytearray | memoryview] = []
        self._soft_timer: asyncio.TimerHandle | None = None
        self._close_timer: asyncio.TimerHandle | None = None
        self._why: Exception | str | None = None
        self._open = False

    # -- hooks -------------------------------------------------------------------------------------

    def made(self) -> None:
        """The connection is there, and admitted."""

    def resumed(self) -> None:
        """The last hold is gone: go on with the requests that were read ahead."""

    def drain(self) -> None:
        """The server stops: end when it is decent to.  By default at once, after what is written."""
        self.close("shutdown")

    def lost(self, why: Exception | str | None) -> None:
        """It is over; called once for each `made`.

        why   None: the peer closed; an exception: the socket broke; a text: we closed, and this is why
        """

    # -- the life of a connection ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport = cast(asyncio.Transport, transport)
        if self._open:  # it was accepted while the loop stood still, and is the loop's from now on: see rescue.py
            self.use_limits(self.limits)
            return
        if not self.connections.admit(self):
            self._begin_end()
            transport.write(self.connections.refusal)
            transport.close()
            return
        self._open = True
        self.use_limits(self.limits)
        self.made()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._open:
            return
        self._open = False
        self._begin_end()
        for timer in (self._soft_timer, self._close_timer):
            if timer is not None:
                timer.cancel()
        self.connections.forget(self)
        self.lost(self._why if self._why is not None else error)

    def close(self, why: str = "closed by the server") -> None:
        """No more requests; the connection ends when what is written has left, or after CLOSE_SECONDS."""
        if self.closing:
            return
        self.flush()
        if self.closing:  # what was flushed passed a limit
            return
        self._begin_end()
        self._why = why
        if self.transport.get_write_buffer_size():
            self._close_timer = self.loop.call_later(CLOSE_SECONDS, self.transport.abort)
        self.transport.close()

    def abort(self, why: str = "aborted by the server") -> None:
        """The connection ends now; what is written and has not left is lost."""
        if self._why is None:
            self._why = why
        self._begin_end()
        self.transport.abort()

    def _begin_end(self) -> None:
        self.closing = self.held = True
        self._plain = False
        self._queued.clear()

    # -- reading: hold and resume ------------------------------------------------------------------

    def hold(self, reason: str) -> None:
        """Begin no further request until `resume(reason)`.  Several may hold at once, each counts once."""
        if reason not in self._holds:
            self._holds.append(reason)
            self.held = True
        if reason == SLOW_READER:
            self._stop_reading()

    def resume(self, reason: str) -> None:
        """Give up one reason, if it held; without any left, `resumed` is called and reading goes on."""
        if reason not in self._holds:
            return
        self._holds.remove(reason)
        if self._holds:
            return
        if self.closing:
            return
        self.held = False
        self.resumed()
        if self.held:
            return
        self._ahead = 0
        if self._stopped:
            self._stopped = False
            self.transport.resume_reading()

    def read_ahead(self, size: int) -> None:
        """`size` bytes came in and were kept while held: say so, or the peer fills the memory."""
        self._ahead += size
        if self._ahead > READ_AHEAD:
            self._stop_reading()

    def _stop_reading(self) -> None:
        if not self._stopped and not self.closing:
            self._stopped = True
            self.transport.pause_reading()

    def check_query_buffer(self, size: int) -> None:
        """`size` bytes are kept that are no whole request yet: drops the connection past its limit."""
        limit = self.limits.query_buffer_bytes
        if limit and size > limit:
            self.connections.dropped_query_buffer += 1
            self.abort("query buffer limit")

    # -- writing -----------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Now, in one go.  A caller that has several pieces joins them first.  After the end it does nothing."""
        if self._plain:
            self.transport.write(data)
        elif self._queued:
            self._queued.append(data)
            self.flush()
        elif not self.closing:
            self.transport.write(data)
            self._check_output()

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Soon: all that is sent in one turn of the loop leaves in one write (pushes, deliveries)."""
        if self.closing:
            return
        if not self._queued:
            self.loop.call_soon(self.flush)
            self._plain = False
        self._queued.append(data)

    def flush(self) -> None:
        """Write what `send` gathered."""
        if self._queued and not self.closing:
            pieces, self._queued = self._queued, []
            self._plain = not self._congested
            if len(pieces) == 1:
                self.write(pieces[0])
            elif sum(map(len, pieces)) < JOIN_BYTES:
                self.write(b"".join(pieces))
            else:  # copying costs more than the longer list
                self.transport.writelines(pieces)
                if self._congested:
                    self._check_output()

    @property
    def unread_bytes(self) -> int:
        """Output that the peer has not taken from us: omem in CLIENT LIST."""
        return self.transport.get_write_buffer_size() + sum(map(len, self._queued))

    def use_limits(self, limits: Limits) -> None:
        """Another class of client (a subscriber, a replica), or the same after its limits changed."""
        self.limits = limits
        mark = limits.high_water()
        self.transport.set_write_buffer_limits(high=mark, low=mark)
        if self._congested:
            self._check_output()

    def pause_writing(self) -> None:
        """Called by the transport when more is unread than `high_water`."""
        self._congested = True
        self._plain = False
        self._check_output()

    def resume_writing(self) -> None:
        self._congested = False
        self._plain = not self._queued and not self.closing
        if self._soft_timer is not None:
            self._soft_timer.cancel()
            self._soft_timer = None
        self.resume(SLOW_READER)

    def _check_output(self) -> None:
        limits, unread = self.limits, self.transport.get_write_buffer_size()
        if self.closing:
            return
        if limits.output_hard_bytes and unread >= limits.output_hard_bytes:
            self._drop_output()
            return
        if limits.slow_reader_bytes and unread >= limits.slow_reader_bytes:
            self.hold(SLOW_READER)
        soft = bool(limits.output_soft_bytes) and unread >= limits.output_soft_bytes
        if soft and self._soft_timer is None:
            self._soft_timer = self.loop.call_later(limits.output_soft_seconds, self._soft_limit_reached)
        elif not soft and self._soft_timer is not None:
            self._soft_timer.cancel()
            self._soft_timer = None

    def _soft_limit_reached(self) -> None:
        self._soft_timer = None
        soft = self.limits.output_soft_bytes
        if soft and self.transport.get_write_buffer_size() >= soft and not self.closing:
            self._drop_output()

    def _drop_output(self) -> None:
        self.connections.dropped_output += 1
        self.abort("output buffer limit")


class Connection(Link, asyncio.Protocol):
    """The base for small requests.  Override `data_received(data)`:

    def data_received(self, data):
        self.reader.receive(data)
        if self.held:
            self.read_ahead(len(data))
        else:
            self.work()

    def work(self):                              # also what `resumed` calls
        replies = []
        while not self.held and (request := self.reader.next_request()) is not None:
            self.heard = True
            replies.append(self.session.execute(request))
        self.write(b"".join(replies))
    """
