"""A TCP relay between two nodes: it delays, cuts, holds and counts what passes.

    node A ── 127.0.0.1:relay.port ── Relay ── 127.0.0.1:target ── node B

A node is told the relay's address in place of its peer's, so a link can fail without touching either process and
without root (as `iptables` or `tc netem` would need).  What it cannot do is lose or reorder packets: TCP below it mends
those before anybody sees them, and what remains of them is delay.

    delay_s     each piece waits that long, in order; a pipeline stays a pipeline
    hold()      silence: bytes wait, connections stay, until `release()`; what a paused switch does
    cut()       every connection is reset and new ones too, until `heal()`; what a pulled cable ends in
    forwarded, returned    bytes that reached the target, and that came back
"""

import asyncio
import socket
import struct
from contextlib import suppress

PIECE_BYTES = 65536
LINGER_ZERO = struct.pack("ii", 1, 0)  # on, zero seconds: close() sends a reset
QUEUED_PIECES_MAX = 64  # per direction; then the sender feels it, as on a full link


class Relay:
    """One listening port in front of one target.  `async with` starts and stops it."""

    def __init__(self, target_port: int, target_host: str = "127.0.0.1", delay_s: float = 0.0) -> None:
        self.delay_s = delay_s
        self.port = 0  # known once started
        self.forwarded = self.returned = 0
        self._target = target_host, target_port
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._is_cut = False
        self._links: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Relay":
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._drop_links()
        await asyncio.gather(*self._links, return_exceptions=True)

    def hold(self) -> None:
        self._flowing.clear()

    def release(self) -> None:
        self._flowing.set()

    def cut(self) -> None:
        self._is_cut = True
        self._drop_links()

    def heal(self) -> None:
        self._is_cut = False

    def _drop_links(self) -> None:
        for link in self._links:
            link.cancel()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            reset(writer)
            return
        link = asyncio.current_task()
        assert link is not None
        self._links.add(link)
        try:
            await self._join(reader, writer)
        except asyncio.CancelledError:
            pass  # cut; the streams' own machinery would log it as an error
        finally:
            self._links.discard(link)
            reset(writer)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Both directions, until both have ended or one is broken."""
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            try:
                async with asyncio.TaskGroup() as directions:
                    directions.create_task(self._pump(reader, far_writer, "forwarded"))
                    directions.create_task(self._pump(far_reader, writer, "returned"))
            except* OSError:
                pass
            finally:
                reset(far_writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: str) -> None:
        """Read as bytes come, write when they are due: two tasks, so that a delay is not a halving of the rate."""
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(QUEUED_PIECES_MAX)
        now = asyncio.get_running_loop().time

        async def fill() -> None:
            data = None
            while data != b"":
                data = await reader.read(PIECE_BYTES)
                await pieces.put((now() + self.delay_s, data))

        async def empty() -> None:
            while True:
                due, data = await pieces.get()
                if (wait_s := due - now()) > 0:
                    await asyncio.sleep(wait_s)
                await self._flowing.wait()
                if not data:
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()
                setattr(self, direction, getattr(self, direction) + len(data))

        async with asyncio.TaskGroup() as both:
            both.create_task(fill())
            both.create_task(empty())


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with a TCP reset; after both ends were closed in order it changes nothing any more."""
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    writer.transport.abort()
