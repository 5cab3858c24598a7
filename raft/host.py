"""One process's part in any number of Raft groups: one journal, one connection to each peer, a driver for each group.

    host = Host(1, disk, "data/raft", cluster="c1", random=random)
    await host.listen(None, 9093)
    host.dial({1: ("a", 9093), 2: ("b", 9093), 3: ("c", 9093)})      before `join`, or the first election is held in vain
    table = Table()
    driver = host.join(0, table, founders=Membership.of(1, 2, 3))
    await driver.propose(b"...")

Groups that are busy at the same time share fsyncs and writes to sockets without knowing of each other.  Kafka's metadata
quorum is one group; RabbitMQ's quorum queues are hundreds, and share a log in the same way (the write-ahead log of `ra`).

A disk that fails takes all groups with it: whoever started the host should end the process.  Next: example_server.py.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from random import Random

from durable.disk import Disk
from durable.journal import SEGMENT_BYTES
from raft.driver import Driver, StateMachine
from raft.frames import BadMessage, decode, encode
from raft.membership import Membership
from raft.messages import Message
from raft.node import Node
from raft.ready import Settings
from raft.storage import Store
from raft.transport import Address, Transport

logger = logging.getLogger("raft")


class Host:
    """All of Raft that one process takes part in."""

    driver_class = Driver

    def __init__(
        self,
        node_id: int,
        disk: Disk,
        folder: str,
        *,
        cluster: str,
        random: Random,
        settings: Settings | None = None,
        tick_s: float = 0.1,
        segment_bytes: int = SEGMENT_BYTES,
        on_failed: Callable[[BaseException], None] = lambda error: None,
    ) -> None:
        """
        node_id    never given to another node, nor to this one after it lost its folder: it has voted
        folder     ours alone
        cluster    nodes of another one are refused
        tick_s     `settings` counts in these
        on_failed  called once: every group has stopped, and the process had better end

        Raises CorruptJournal, Unreadable, OSError: a node that has forgotten a part must not vote as if it were whole.
        """
        self.node_id, self.settings, self.tick_s = node_id, settings or Settings(), tick_s
        self.drivers: dict[int, Driver] = {}
        self.store = Store(disk, folder, on_broken=self._fail, segment_bytes=segment_bytes)
        self.transport = Transport(node_id, self._receive, cluster=cluster, random=random)
        self._random, self._on_failed = random, on_failed
        self._failed = False

    async def listen(self, host: str | None, port: int) -> int:
        """Accept peers; returns the port.  Raises OSError."""
        return await self.transport.listen(host, port)

    def dial(self, addresses: Mapping[int, Address]) -> None:
        """Where each peer is dialled from now on."""
        self.transport.dial(addresses)

    def join(
        self,
        group: int,
        machine: StateMachine,
        *,
        founders: Membership | None = None,
        snapshot_entries: int = 10_000,
    ) -> Driver:
        """Take part in a group, as what was stored of it says.

        machine   empty; a snapshot that is found is restored into it
        founders  whom the cluster was founded with, for a founding member's first start; None for who is added later, which
                  waits to be spoken to
        """
        storage = self.store.group(group)
        if founders is not None and storage.is_new:
            storage.found(founders)
        saved = storage.take()
        if saved.snapshot.index:
            machine.restore(saved.snapshot.data)
        node = Node(self.node_id, saved, self.settings, Random(self._random.getrandbits(64)), saved.snapshot.index)
        driver = self.drivers[group] = self.driver_class(
            node,
            storage,
            machine,
            lambda message: self._send(group, message),
            tick_s=self.tick_s,
            read_ticks=2 * self.settings.election_ticks,
            snapshot_entries=snapshot_entries,
            on_failed=self._fail,
        )
        self.transport.knock(sorted(node.membership.members))
        return driver

    def _send(self, group: int, message: Message) -> None:
        self.transport.send(message.to, encode(group, message))

    def _receive(self, sender: int, payload: bytes) -> None:
        try:
            group, message = decode(payload)
        except BadMessage as error:
            logger.warning("node %d sent no message of ours: %s", sender, error)
            return
        driver = self.drivers.get(group)
        if driver is not None and message.sender == sender and message.to == self.node_id:
            driver.step(message)

    def _fail(self, error: BaseException) -> None:
        if not self._failed:
            self._failed = True
            self.stop()
            self._on_failed(error)

    def stop(self) -> None:
        """Leave without a word: to the others it is as if this node had died, and they can bear that."""
        for driver in self.drivers.values():
            driver.stop()
        self.transport.close()

    def close(self) -> None:
        """Stop, and let go of the files."""
        self.stop()
        self.store.close()
