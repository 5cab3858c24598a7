"""The network between the hosts: who listens where, how long a segment takes, which links are cut.

An address is (name of the host, port).  Of every pair of hosts each direction is a path of its own:

    delay      latency_min_s + exponential; a lost segment comes 0.2, 0.6, 1.4 ... s later (TCP sends it again)
    cut        segments wait; after retransmit_s the sender gets ETIMEDOUT; connecting hangs, then fails after connect_s
    down       the machine has no power: as if every path to it were cut
    reset      each connection of a pair breaks at once, on both sides

Nobody listening is ConnectionRefusedError after a round trip, an unknown name is gaierror at once.

The dials are drawn from the seed (`NetworkOptions.drawn`), so each seed has its own weather: some calm and fast, so
that much work gets done, some bad.  Source: VOPR of TigerBeetle ("swarm testing", Groce 2012).  Next: transport.py.
"""

import asyncio
import errno
import socket
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from dataclasses import dataclass
from itertools import count, pairwise
from random import Random
from typing import Any

from simulation.flow import Flow, connection_error
from simulation.loop import SimulatedLoop
from simulation.process import OUTSIDE, RUNNING, Process, running_host
from simulation.transport import Address, SimulatedSocket, SimulatedTransport, connect

LOOPBACK = ("localhost", "127.0.0.1", "::1")
FAMILIES = {  # of addresses that are no names: 4, 6 or both, as one port can be bound once for each
    None: (4, 6),
    "": (4, 6),
    "0.0.0.0": (4,),
    "::": (6,),
    "localhost": (4, 6),
    "127.0.0.1": (4,),
    "::1": (6,),
}
EPHEMERAL_PORT_FIRST = 32768
LOCAL_LATENCY_S = 0.00002
RETRANSMISSION_S = 0.2  # the least that Linux waits
SPLIT_PIECES_MAX = 4


@dataclass(frozen=True)
class NetworkOptions:
    """The dials.  Times in seconds, chances between 0 and 1."""

    latency_min_s: float = 0.0001
    latency_mean_s: float = 0.0004  # of the exponential part
    loss: float = 0.0
    split: float = 0.1  # chance that a write is split at random points
    window_bytes: int = 256 * 1024  # what both kernels hold for a receiver that does not read
    connect_s: tuple[float, float] = (3.0, 20.0)
    retransmit_s: tuple[float, float] = (3.0, 20.0)

    @classmethod
    def drawn(cls, random: Random) -> "NetworkOptions":
        return cls(
            latency_min_s=random.choice((0.00005, 0.0002, 0.001)),
            latency_mean_s=random.choice((0.0001, 0.0005, 0.005, 0.03)),
            loss=random.choice((0.0, 0.0, 0.001, 0.02)),
            split=random.choice((0.0, 0.1, 0.5, 1.0)),
            window_bytes=random.choice((2_000, 64 * 1024, 256 * 1024)),
        )


Place = tuple[str, int, int]
"""Where one can listen: host, family (4 or 6), port."""


class SimulatedServer(asyncio.AbstractServer):
    """A listening socket, or several: what create_server returns."""

    def __init__(self, network: "Network", factory: Callable[[], asyncio.BaseProtocol], places: list["Place"]) -> None:
        self.network, self.factory, self.places = network, factory, places
        self.process = RUNNING.get()
        self.context = copy_context()
        self._serving = self._closed = False
        self._connections = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._forever: asyncio.Future[None] | None = None

    @property
    def sockets(self) -> tuple[SimulatedSocket, ...]:
        return () if self._closed else tuple(SimulatedSocket((host, port)) for host, _, port in self.places)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self.network.loop

    def is_serving(self) -> bool:
        return self._serving

    async def start_serving(self) -> None:
        if self._closed:
            raise RuntimeError("server is closed")
        self._serving = True

    async def serve_forever(self) -> None:
        await self.start_serving()
        self._forever = self.network.loop.create_future()
        try:
            await self._forever
        finally:
            self.close()
            await self.wait_closed()

    def close(self) -> None:
        if self._closed:
            return
        self._closed, self._serving = True, False
        self.network.unlisten(self)
        if self._forever is not None and not self._forever.done():
            self._forever.cancel()
        self._wake()

    async def wait_closed(self) -> None:
        """Until closed and the last connection is gone: as Python 3.12 does, and 3.11 meant to."""
        if not self._closed or self._connections:
            waiting = self.network.loop.create_future()
            self._waiting.append(waiting)
            await waiting

    def accept(self, transport: SimulatedTransport) -> None:
        """A connection has come: the kernel has taken it, the process will as soon as it runs."""
        transport.server = self
        self._connections += 1
        self.network.loop.call_soon(self._accepted, transport, context=transport.context)

    def _accepted(self, transport: SimulatedTransport) -> None:
        if self._closed:
            transport.abort()
            return
        try:
            transport.start(self.factory())
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            message = "Error on transport creation for incoming connection"
            self.network.loop.call_exception_handler({"message": message, "exception": error, "transport": transport})
            transport.abort()

    def detach(self) -> None:
        """One connection fewer."""
        self._connections -= 1
        self._wake()

    def _wake(self) -> None:
        if self._closed and not self._connections:
            for waiting in self._waiting:
                if not waiting.done():
                    waiting.set_result(None)


class Network:
    """All machines, listeners, connections and links of one simulation."""

    def __init__(
        self,
        loop: SimulatedLoop,
        random: Random,
        options: NetworkOptions | None = None,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.loop, self.random, self.note = loop, random, note
        self.options = options or NetworkOptions()
        loop.network = self
        self.hosts = {OUTSIDE}
        self.down: set[str] = set()
        self.cut_paths: set[tuple[str, str]] = set()
        self.slowness_s: dict[tuple[str, str], float] = {}
        self.stalled: dict[Flow, None] = {}
        self._listeners: dict[Place, tuple[SimulatedServer, bool]] = {}  # True: for the host itself alone
        self._transports: dict[SimulatedTransport, None] = {}
        self._connecting: list[asyncio.Future[None]] = []
        self._ports = count(EPHEMERAL_PORT_FIRST)
        self._context = Context()  # of nobody: wires belong to no process

    # What a segment meets

    def delay(self, path: tuple[str, str]) -> float:
        """Seconds from sending to arrival."""
        random, options = self.random, self.options
        if path[0] == path[1]:
            return LOCAL_LATENCY_S + random.expovariate(1 / LOCAL_LATENCY_S)
        seconds = options.latency_min_s + random.expovariate(1 / options.latency_mean_s)
        if options.loss:
            wait = RETRANSMISSION_S
            while random.random() < options.loss:
                seconds += wait
                wait *= 2
        return seconds + self.slowness_s.get(path, 0.0)

    def split(self, data: bytes) -> list[bytes]:
        """`data`, whole or in pieces."""
        if len(data) < 2 or self.random.random() >= self.options.split:
            return [data]
        cuts_wanted = min(self.random.randint(1, SPLIT_PIECES_MAX - 1), len(data) - 1)
        cuts = [0, *sorted(self.random.sample(range(1, len(data)), cuts_wanted)), len(data)]
        return [data[start:end] for start, end in pairwise(cuts)]

    def gap(self) -> float:
        """Seconds between two pieces: above 0, so that they are not read as one."""
        return self.random.uniform(0.000001, 0.0005)

    def patience(self) -> float:
        """Seconds until a sender gives up on a path that is cut."""
        return self.random.uniform(*self.options.retransmit_s)

    def is_blocked(self, path: tuple[str, str]) -> bool:
        return path in self.cut_paths or path[1] in self.down

    def call_at(self, when: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        return self.loop.call_at(when, callback, context=self._context)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        return self.loop.call_later(seconds, callback, context=self._context)

    # What the world does to it

    def cut(self, source: str, target: str) -> None:
        """One way: segments from `source` to `target` wait from now on, those under way included."""
        self.note(f"cut {source}>{target}")
        self.cut_paths.add((source, target))

    def partition(self, *groups: Iterable[str]) -> None:
        """No path between hosts of different groups, in either direction; other hosts are not concerned."""
        sides = [sorted(group) for group in groups]
        for side in sides:
            for other in sides:
                if side is not other:
                    for source in side:
                        for target in other:
                            self.cut(source, target)

    def isolate(self, host: str) -> None:
        """Cut `host` off from everybody, the scenario's own connections included."""
        self.partition([host], self.hosts - {host})

    def heal(self, *paths: tuple[str, str]) -> None:
        """These paths, or all."""
        self.note(f"heal {' '.join(f'{source}>{target}' for source, target in paths) or 'all'}")
        self.cut_paths -= set(paths or self.cut_paths)
        self._unblocked()

    def slow(self, source: str, target: str, seconds: float) -> None:
        """Add this much latency, one way; 0 takes it away."""
        self.note(f"slow {source}>{target} {seconds}")
        self.slowness_s[source, target] = seconds

    def reset(self, host: str, other: str | None = None) -> None:
        """Break all connections of `host`, or those with `other`: what was under way is lost, both ends get a reset."""
        self.note(f"reset {host} {other or 'all'}")
        for transport in list(self._transports):
            if transport.local[0] == host and other in (None, transport.remote[0]):
                for end in (transport, transport.outgoing.target):
                    end.outgoing.discard()
                    end.fail_soon(errno.ECONNRESET)

    def power(self, host: str, on: bool) -> None:
        """A machine without power answers nothing; its peers learn of it by their own timeouts."""
        if on:
            self.down.discard(host)
            self._unblocked()
        else:
            self.down.add(host)

    def process_died(self, process: Process, *, power_failed: bool = False) -> None:
        """Close all that `process` had open, as its kernel would; without power nobody is told."""
        for server, _ in list(self._listeners.values()):
            if server.process is process:
                self.unlisten(server)
        for transport in list(self._transports):
            if transport.process is process:
                self.loop.remains.append(transport)
                transport.process_died(power_failed=power_failed)

    def _unblocked(self) -> None:
        for flow in [flow for flow in self.stalled if not self.is_blocked(flow.path)]:
            del self.stalled[flow]
            flow.unblocked()
        connecting, self._connecting = self._connecting, []
        for attempt in connecting:
            if not attempt.done():
                attempt.set_result(None)

    # What processes ask of it

    def listen(self, factory: Callable[[], asyncio.BaseProtocol], host: Any, port: int) -> SimulatedServer:
        """A server on the running host, bound and not yet serving.

        host  None, "0.0.0.0", "::", the running host's own name; "localhost", "127.0.0.1", "::1": for this host alone
        port  0 picks a free one

        Raises OSError: EADDRINUSE, EADDRNOTAVAIL (the name of another host).
        """
        name = running_host()
        wanted = list(host) if isinstance(host, list | tuple) else [host]
        port = port or next(port for port in self._ports if not self._listening(name, None, port))
        places: dict[Place, bool] = {}
        for address in wanted:
            if address not in (*FAMILIES, name):
                raise OSError(errno.EADDRNOTAVAIL, f"could not bind on any interface, {address!r} is not {name!r}")
            for family in FAMILIES.get(address, (4,)):
                places[name, family, port] = address in LOOPBACK
        if any(place in self._listeners for place in places):
            raise OSError(errno.EADDRINUSE, f"error while attempting to bind on address {(name, port)}: in use")
        server = SimulatedServer(self, factory, list(places))
        for place, loopback_only in places.items():
            self._listeners[place] = server, loopback_only
        return server

    def unlisten(self, server: SimulatedServer) -> None:
        for place in server.places:
            if self._listeners.get(place, (None,))[0] is server:
                del self._listeners[place]

    def _listening(self, host: str, name: str | None, port: int) -> list[tuple[SimulatedServer, bool]]:
        """Who listens on this port of a host that is called by `name`, with whether for itself alone."""
        places = [(host, family, port) for family in FAMILIES.get(name, (4, 6))]
        return [self._listeners[place] for place in places if place in self._listeners]

    async def connect(
        self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """A connection from the running host; three crossings of the network take place as in a TCP handshake.

        Raises socket.gaierror, ConnectionRefusedError, ConnectionResetError, TimeoutError (ETIMEDOUT).
        """
        source = running_host()
        target = source if host in LOOPBACK else host
        if target not in self.hosts:
            raise socket.gaierror(socket.EAI_NONAME, f"Name or service not known: {target!r}")
        deadline = self.loop.time() + self.random.uniform(*self.options.connect_s)
        await self._cross((source, target), deadline)
        open_doors = [
            server
            for server, loopback_only in self._listening(target, host, port)
            if server.is_serving() and (source == target or not loopback_only)
        ]
        if not open_doors:
            await self._cross((target, source), deadline)
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"Connect call failed ({target!r}, {port})")
        client = self._establish(open_doors[0], (source, next(self._ports)), (target, port))
        try:
            await self._cross((target, source), deadline)
        except BaseException:
            client.abort()
            raise
        if client.is_closing():  # broken before the last part of the handshake arrived
            raise ConnectionResetError(errno.ECONNRESET, f"Connect call failed ({target!r}, {port})")
        protocol = factory()
        client.start(protocol)
        return client, protocol

    async def _cross(self, path: tuple[str, str], deadline: float) -> None:
        """Until a segment sent now has arrived.  Raises TimeoutError when the path stays blocked until `deadline`."""
        await asyncio.sleep(self.delay(path))
        while self.is_blocked(path):
            change: asyncio.Future[None] = self.loop.create_future()
            self._connecting.append(change)
            try:
                async with asyncio.timeout_at(deadline):
                    await change
            except TimeoutError:
                self._connecting.remove(change)
                raise connection_error(errno.ETIMEDOUT) from None
            await asyncio.sleep(self.delay(path))

    def _establish(self, server: SimulatedServer, source: Address, target: Address) -> SimulatedTransport:
        client = SimulatedTransport(self, RUNNING.get(), copy_context(), source, target)
        accepted = SimulatedTransport(self, server.process, server.context.copy(), target, source)
        connect(client, accepted)
        self._transports[client] = self._transports[accepted] = None
        self.note(f"connected {client}")
        server.accept(accepted)
        return client

    def forget(self, transport: SimulatedTransport) -> None:
        self._transports.pop(transport, None)
