"""Frames between peers: each node dials every other, sends on the connection it dialled, and hears on those it accepted.

     0        4                          Raft asks little of its network: frames may be lost, doubled or late, and it copes.
    +--------+----------------+          So nothing is queued for a peer that is away, and little for one that is slow:
    | n u32  | n bytes        |          an old heartbeat is worth nothing, and what matters is sent again.
    +--------+----------------+

    dialler    hello ▶ frame ▶ frame ▶ ▶ empty ▶ frame ...        hello: ["mini-raft", version, cluster, from, to]
    acceptor        ◀ empty               ◀ empty                 the hello is right; I am still here

The empty frames are there because a TCP connection to a machine without power looks healthy for many minutes: a dialler
asks once a second, and after three seconds of silence it gives up and dials anew.  The hello names both ends and the
cluster, so that an address that was mistyped, or given to another machine, joins no two clusters.

Where a peer is dialled is told apart from what it advertises to clients: a relay that delays or cuts can stand between
any two.  What a payload means is frames.py's matter.  RabbitMQ uses Erlang's distribution here, etcd HTTP streams, Kafka
its own requests, fetched by the followers.  Next: host.py hands payloads to the groups of this node.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import cast

import msgpack

Address = tuple[str, int]
Receive = Callable[[int, bytes], None]
"""sender, payload"""

VERSION = 1
EMPTY = bytes(4)
PAYLOAD_MAX = 64 * 1024 * 1024  # bytes; more is no frame of ours
QUEUE_BYTES = 8 * 1024 * 1024  # unsent to one peer, past which its frames are dropped
CONNECT_S = 1.0
ASK_S, SILENCE_S = 1.0, 3.0
BACKOFF_S = 0.05, 1.0  # the wait before dialling again: first, and at most
IDLE_S = 60.0  # a peer to whom nothing was sent for so long is hung up on

logger = logging.getLogger("raft")


def frame(payload: bytes) -> bytes:
    """The payload with its length before it."""
    return len(payload).to_bytes(4, "big") + payload


class Frames(asyncio.Protocol):
    """Cuts what comes in into payloads.  Override `payload`."""

    def __init__(self) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pieces: list[bytes] = []
        self._missing = 0  # bytes until the first frame is whole; joined once, not once per piece

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)

    def payload(self, payload: bytes) -> None:
        """One whole payload, not empty."""

    def empty(self) -> None:
        """An empty frame."""

    def data_received(self, data: bytes) -> None:
        self._pieces.append(data)
        self._missing -= len(data)
        if self._missing > 0:
            return
        data, place = b"".join(self._pieces), 0
        while not self.transport.is_closing():
            size = int.from_bytes(data[place : place + 4], "big")
            end = place + 4 + size
            if size > PAYLOAD_MAX:
                logger.warning("a frame of %d bytes announced: not one of ours", size)
                self.transport.abort()
                return
            if len(data) < place + 4 or len(data) < end:
                self._missing = (end if len(data) >= place + 4 else place + 4) - len(data)
                break
            if size:
                self.payload(data[place + 4 : end])
            else:
                self.empty()
            place = end
        self._pieces = [data[place:]]


class Dialled(Frames):
    """Our connection to one peer, for sending."""

    def __init__(self, hello: bytes) -> None:
        super().__init__()
        self.welcome = False  # it has answered
        self._hello = hello
        self._heard = 0.0
        self._gathered: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(frame(self._hello))
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self._timer = self._loop.call_later(ASK_S, self._ask)

    def connection_lost(self, error: Exception | None) -> None:
        self._timer.cancel()
        super().connection_lost(error)

    def empty(self) -> None:
        self.welcome = True
        self._heard = self._loop.time()

    def _ask(self) -> None:
        if self._loop.time() - self._heard > SILENCE_S:
            self.transport.abort()
            return
        if self.transport.get_write_buffer_size() < QUEUE_BYTES:
            self.transport.write(EMPTY)
        self._timer = self._loop.call_later(ASK_S, self._ask)

    def send(self, payload: bytes) -> bool:
        """In one write with all that is sent in this turn of the loop.  False: it was dropped."""
        if self.transport.is_closing() or self.transport.get_write_buffer_size() > QUEUE_BYTES:
            return False
        if not self._gathered:
            self._loop.call_soon(self._flush)
        self._gathered.append(frame(payload))
        return True

    def _flush(self) -> None:
        gathered, self._gathered = self._gathered, []
        if not self.transport.is_closing():
            self.transport.write(b"".join(gathered))


class Accepted(Frames):
    """A peer's connection to us, for hearing it."""

    def __init__(self, owner: Transport) -> None:
        super().__init__()
        self._owner = owner
        self.sender: int | None = None  # until the hello

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._owner.accepted[self] = None

    def connection_lost(self, error: Exception | None) -> None:
        self._owner.accepted.pop(self, None)
        super().connection_lost(error)

    def payload(self, payload: bytes) -> None:
        if self.sender is not None:
            self._owner.receive(self.sender, payload)
        elif (sender := self._owner.sender_of(payload)) is None:
            self.transport.abort()
        else:
            self._owner.replace_older(sender)
            self.sender = sender
            self.transport.write(EMPTY)

    def empty(self) -> None:
        if self.sender is not None and not self.transport.get_write_buffer_size():
            self.transport.write(EMPTY)


class Peer:
    """One other node: where it is dialled, and the connection there when it stands."""

    def __init__(self, address: Address, hello: bytes, random: Random) -> None:
        self.address, self.dropped = address, 0
        self.used = asyncio.get_running_loop().time()
        self._hello, self._random = hello, random
        self._connection: Dialled | None = None
        self._dialling = asyncio.get_running_loop().create_task(self._keep_connected())

    @property
    def connected(self) -> bool:
        return self._connection is not None and self._connection.welcome

    def send(self, payload: bytes, now: float) -> None:
        self.used = now
        if self._connection is None or not self._connection.send(payload):
            self.dropped += 1

    async def _keep_connected(self) -> None:
        loop = asyncio.get_running_loop()
        wait_s, longest_s = BACKOFF_S
        while True:
            try:
                async with asyncio.timeout(CONNECT_S):
                    _, connection = await loop.create_connection(lambda: Dialled(self._hello), *self.address)
            except (OSError, TimeoutError):
                pass
            else:
                self._connection = connection
                await connection.lost
                self._connection = None
                if connection.welcome:
                    wait_s = BACKOFF_S[0]
            await asyncio.sleep(self._random.uniform(wait_s / 2, wait_s))
            wait_s = min(2 * wait_s, longest_s)

    def close(self) -> None:
        self._dialling.cancel()
        if self._connection is not None:
            self._connection.transport.abort()


class Transport:
    """All connections of one node with its peers.

    accepted   those that peers dialled, heard or not yet
    dropped    frames that were not sent, by peer, stand in `peers[id].dropped`
    """

    def __init__(self, node_id: int, receive: Receive, *, cluster: str, random: Random) -> None:
        """
        receive  called with each payload that comes in, and who sent it
        cluster  nodes of another one are refused
        """
        self.node_id, self.cluster, self.receive = node_id, cluster, receive
        self.addresses: dict[int, Address] = {}
        self.peers: dict[int, Peer] = {}
        self.accepted: dict[Accepted, None] = {}
        self._random = random
        self._server: asyncio.Server | None = None
        self._loop = asyncio.get_running_loop()
        self._look = self._loop.call_later(IDLE_S, self._hang_up_on_the_idle)

    async def listen(self, host: str | None, port: int) -> int:
        """Accept peers; returns the port.  Raises OSError."""
        self._server = await self._loop.create_server(self.accept, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    def accept(self) -> Accepted:
        """A protocol for one accepted connection, for owners with a listener of their own."""
        return Accepted(self)

    def dial(self, addresses: Mapping[int, Address]) -> None:
        """Where each peer is dialled from now on: when something is to be sent to it, and as long as it is."""
        self.addresses = dict(addresses)
        for node_id, peer in list(self.peers.items()):
            if self.addresses.get(node_id) != peer.address:
                self._hang_up_on(node_id)

    def send(self, to: int, payload: bytes) -> None:
        """Send it, or drop it: never wait, never pile up."""
        peer = self.peers.get(to) or self._dial(to)
        if peer is not None:
            peer.send(payload, self._loop.time())

    def knock(self, node_ids: Iterable[int]) -> None:
        """Dial them now: they will be spoken to, and what is sent before a connection stands is lost."""
        for node_id in node_ids:
            if node_id not in self.peers and node_id != self.node_id:
                self._dial(node_id)

    def _dial(self, node_id: int) -> Peer | None:
        if node_id not in self.addresses:
            return None
        hello = cast(bytes, msgpack.packb(["mini-raft", VERSION, self.cluster, self.node_id, node_id]))
        peer = self.peers[node_id] = Peer(self.addresses[node_id], hello, self._random)
        return peer

    def _hang_up_on(self, node_id: int) -> None:
        self.peers.pop(node_id).close()

    def _hang_up_on_the_idle(self) -> None:
        """Nodes that have left the cluster: nobody speaks to them any more."""
        self._look = self._loop.call_later(IDLE_S, self._hang_up_on_the_idle)
        for node_id, peer in list(self.peers.items()):
            if self._loop.time() - peer.used > IDLE_S:
                self._hang_up_on(node_id)

    def sender_of(self, hello: bytes) -> int | None:
        """Who says hello, when it is meant for us."""
        try:
            match msgpack.unpackb(hello):
                case ["mini-raft", 1, self.cluster, int(sender), self.node_id]:
                    return sender
        except (ValueError, TypeError):
            pass
        logger.warning(
            "node %d of cluster %s refuses a connection that says %r", self.node_id, self.cluster, hello[:100]
        )
        return None

    def replace_older(self, sender: int) -> None:
        """A peer that dials anew has given up its older connection, even if we have not noticed."""
        for older in [each for each in self.accepted if each.sender == sender]:
            older.transport.abort()

    def close(self) -> None:
        """End every connection and listen no more."""
        self._look.cancel()
        self.dial({})
        for connection in list(self.accepted):
            connection.transport.abort()
        if self._server is not None:
            self._server.close()
