"""One TCP connection: two transports, and a flow in each direction.

    write() → unsent ──window──▶ flow: segments with their arrival times ──▶ received → data_received()
              (this process)          (kernels and wires)                    (kernel of the other side)

Bytes come in order and once (flow.py).  What can happen is all else: segments split anywhere, an end or a reset behind
them, a sender that dies with bytes still unsent, a receiver that does not read, so that the window closes and the
sender's buffer grows until it is asked to pause.

Source: RFC 9293 (§3.6 closing, §3.10.7 arrivals at a closed connection); asyncio/selector_events.py for what a protocol
is told, and when.  Next: network.py, which decides how long a segment takes.
"""

import asyncio
import errno
import socket
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context
from typing import TYPE_CHECKING, Any, cast
from zlib import crc32

from simulation.flow import Flow, Item, Mark, connection_error
from simulation.process import Process

if TYPE_CHECKING:
    from simulation.network import Network, SimulatedServer

Address = tuple[str, int]
READ_BYTES_MAX = 256 * 1024  # what asyncio's own transports take from the kernel at once
HIGH_WATER = 64 * 1024


class SimulatedSocket:
    """What get_extra_info("socket") and Server.sockets hand out: addresses, and options that do nothing."""

    family, type, proto = socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP

    def __init__(self, local: Address, remote: Address | None = None) -> None:
        self._local, self._remote = local, remote
        self._options: dict[tuple[int, int], Any] = {}

    def getsockname(self) -> Address:
        return self._local

    def getpeername(self) -> Address:
        if self._remote is None:
            raise connection_error(errno.ENOTCONN)
        return self._remote

    def setsockopt(self, level: int, option: int, value: Any, length: int = 0) -> None:
        self._options[level, option] = value

    def getsockopt(self, level: int, option: int, buffer_size: int = 0) -> Any:
        return self._options.get((level, option), 0)

    def fileno(self) -> int:
        return -1


class SimulatedTransport(asyncio.Transport):
    """One end of a connection, as its protocol sees it."""

    outgoing: Flow
    incoming: Flow

    def __init__(
        self, network: "Network", process: Process | None, context: Context, local: Address, remote: Address
    ) -> None:
        super().__init__({"sockname": local, "peername": remote, "socket": SimulatedSocket(local, remote)})
        self.network, self.process, self.context = network, process, context
        self.local, self.remote = local, remote
        self.server: SimulatedServer | None = None
        self._protocol: asyncio.BaseProtocol | None = None
        self._received: deque[Item] = deque()
        self._unsent = bytearray()
        self._high, self._low = HIGH_WATER, HIGH_WATER // 4
        self._protocol_paused = False  # it was told pause_writing
        self._reading_paused = True  # until the protocol is there
        self._broken = False  # a reset has arrived, noticed or not
        self._end_wanted = self._end_sent = self._reset_sent = False
        self._closing = False
        self._lost = False
        self._told_nobody = False  # it was lost before `start`
        self._lost_by: Exception | None = None
        self._push_due = self._read_due = False

    def __repr__(self) -> str:
        return f"<{self}>"

    def __str__(self) -> str:
        return f"{self.local[0]}:{self.local[1]}>{self.remote[0]}:{self.remote[1]}"

    # The protocol

    def start(self, protocol: asyncio.BaseProtocol) -> None:
        """The connection stands: `protocol` is told, and then given what has arrived.

        It may have broken before its protocol was there: then the protocol is told of both, one after the other.
        """
        self._protocol = protocol
        protocol.connection_made(self)
        if self._told_nobody:
            self.network.loop.call_soon(protocol.connection_lost, self._lost_by, context=self.context)
            return
        self._reading_paused = False
        self._read_soon()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return cast(asyncio.BaseProtocol, self._protocol)

    # Writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
        if self._end_wanted:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._broken:
            self._fail(connection_error(errno.ECONNRESET))
        if self._closing or not data:
            return
        if not self._unsent and len(data) <= self.network.options.window_bytes - self.outgoing.unread:
            self.outgoing.send(bytes(data))
            return
        self._unsent += data
        self._push()
        if not self._protocol_paused and len(self._unsent) > self._high:
            self._protocol_paused = True
            self._tell(self.get_protocol().pause_writing)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if self._closing or self._end_wanted:
            return
        self._end_wanted = True
        self._push()

    def _push(self) -> None:
        """Send what the window allows, and then whatever was to follow the last byte."""
        self._push_due = False
        if self._lost:
            return
        room = self.network.options.window_bytes - self.outgoing.unread
        if room > 0 and self._unsent:
            piece = bytes(self._unsent[:room])
            del self._unsent[:room]
            self.outgoing.send(piece)
        if self._protocol_paused and len(self._unsent) <= self._low:
            self._protocol_paused = False
            self._tell(self.get_protocol().resume_writing)  # which may write, or abort
        if not self._unsent and not self._lost:
            if self._closing:
                self._say_goodbye()
                self._finish(None)
            elif self._end_wanted and not self._end_sent:
                self._end_sent = True
                self.outgoing.send(Mark.END)

    def window_opened(self) -> None:
        """The peer has read something."""
        if self._unsent and not self._push_due and not self._lost:
            self._push_due = True
            self.network.loop.call_soon(self._push, context=self.context)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._high, self._low = high, low
        if not self._protocol_paused and len(self._unsent) > high:
            self._protocol_paused = True
            self._tell(self.get_protocol().pause_writing)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        return len(self._unsent)

    # Reading

    def arrived(self, item: Item) -> None:
        """A segment has come to this machine; called by the flow, outside of any process."""
        host = self.local[0]
        what = f"{len(item)} {crc32(item):08x}" if isinstance(item, bytes) else item.value
        self.network.note(f"{self.remote[0]}:{self.remote[1]}>{host}:{self.local[1]} {what}")
        if item is Mark.RESET:
            self._broken = True
        if self._closing or (self.process is not None and not self.process.alive):
            self._refuse(item)
            return
        self._received.append(item)
        if self._reading_paused:
            return
        if self.process is not None and self.process.paused:
            self._read_soon()
        else:
            try:
                self.context.run(self._read)
            except SystemExit as leaving:  # the loop sees a callback of the network here, not one of the process
                if self.process is None or self.network.loop.process_exited is None:
                    raise
                self.network.loop.process_exited(self.process, leaving)

    def _refuse(self, item: Item) -> None:
        """Nobody reads any more: bytes are answered by a reset."""
        if isinstance(item, bytes):
            self.incoming.unread -= len(item)
            self._reset()
        elif item is Mark.RESET and not self._lost:
            self.context.run(self._fail, connection_error(errno.ECONNRESET))

    def _read_soon(self) -> None:
        if not self._read_due:
            self._read_due = True
            self.network.loop.call_soon(self._read, context=self.context)

    def _read(self) -> None:
        self._read_due = False
        received = self._received
        while received and not (self._reading_paused or self._closing):
            item = received.popleft()
            try:
                if item is Mark.RESET:
                    self._fail(connection_error(errno.ECONNRESET))
                elif item is Mark.END:
                    if not cast(asyncio.Protocol, self._protocol).eof_received():
                        self.close()
                else:
                    self._deliver(self._joined(item))
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                self._protocol_failed(error)

    def _joined(self, data: bytes) -> bytes:
        """`data` and all bytes that arrived behind it, as one read from a kernel would return them."""
        pieces, size = [data], len(data)
        while self._received and isinstance(following := self._received[0], bytes):
            size += len(following)
            if size > READ_BYTES_MAX:
                break
            pieces.append(following)
            self._received.popleft()
        return b"".join(pieces)

    def _deliver(self, data: bytes) -> None:
        protocol = self._protocol
        if not isinstance(protocol, asyncio.BufferedProtocol):
            self._consumed(len(data))
            cast(asyncio.Protocol, protocol).data_received(data)
            return
        buffer = protocol.get_buffer(-1)
        if not len(buffer):  # type: ignore[arg-type]
            raise RuntimeError("get_buffer() returned an empty buffer")
        room = memoryview(buffer).cast("B")
        size = min(len(room), len(data))
        room[:size] = data[:size]
        room.release()
        if size < len(data):
            self._received.appendleft(data[size:])
        self._consumed(size)
        protocol.buffer_updated(size)

    def _consumed(self, size: int) -> None:
        self.incoming.unread -= size
        self.incoming.source.window_opened()

    def is_reading(self) -> bool:
        return not self._closing and not self._reading_paused

    def pause_reading(self) -> None:
        """Data, an end and even a reset wait, unnoticed, until reading goes on."""
        if not self._closing:
            self._reading_paused = True

    def resume_reading(self) -> None:
        if self._reading_paused and not self._closing:
            self._reading_paused = False
            self._read_soon()

    # Closing

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """No more reading; what was written still goes out, then the end."""
        if not self._closing:
            self._closing = True
            self._push()

    def abort(self) -> None:
        if not self._lost:
            self._reset()
            self._finish(None)

    def _say_goodbye(self) -> None:
        """A socket closed with bytes unread resets the connection (RFC 2525 §2.17); else its end is announced."""
        if any(isinstance(item, bytes) for item in self._received):
            self._reset()
        elif not self._end_sent:
            self._end_sent = True
            self.outgoing.send(Mark.END)

    def _reset(self) -> None:
        if not self._reset_sent and not self._broken:
            self._reset_sent = True
            self.outgoing.send(Mark.RESET)

    def fail_soon(self, number: int) -> None:
        """The connection breaks with this errno, outside of anybody's doing."""
        if not self._lost:
            self.network.loop.call_soon(self._fail, connection_error(number), context=self.context)

    def _fail(self, error: BaseException) -> None:
        self._broken = True
        self._finish(error)

    def _protocol_failed(self, error: BaseException) -> None:
        message = "Fatal error: a callback of the protocol failed."
        context = {"message": message, "exception": error, "transport": self, "protocol": self._protocol}
        self.network.loop.call_exception_handler(context)
        if not self._lost:
            self._reset()
            self._finish(error)

    def _finish(self, error: BaseException | None) -> None:
        if self._lost:
            return
        self._lost = self._closing = True
        self._unsent.clear()
        self._received.clear()
        self.network.loop.call_soon(self._connection_lost, error, context=self.context)

    def _connection_lost(self, error: BaseException | None) -> None:
        self.network.forget(self)
        try:
            if self._protocol is not None:
                self._protocol.connection_lost(cast(Exception | None, error))
            else:
                self._told_nobody, self._lost_by = True, cast(Exception | None, error)
        finally:
            if self.server is not None:
                self.server.detach()

    def process_died(self, *, power_failed: bool) -> None:
        """What the kernel does for a process that was killed; without power it does nothing."""
        was_lost, self._lost, self._closing = self._lost, True, True
        self._unsent.clear()
        self.network.forget(self)
        if not was_lost and not power_failed:
            self._say_goodbye()
        self._received.clear()

    def _tell(self, callback: Callable[[], object]) -> None:
        try:
            callback()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            message = f"protocol.{callback.__name__}() failed"
            context = {"message": message, "exception": error, "transport": self, "protocol": self._protocol}
            self.network.loop.call_exception_handler(context)


def connect(one: SimulatedTransport, other: SimulatedTransport) -> None:
    """Make a pair: what one sends, the other receives."""
    one.outgoing = other.incoming = Flow(one.network, one, other)
    other.outgoing = one.incoming = Flow(one.network, other, one)
