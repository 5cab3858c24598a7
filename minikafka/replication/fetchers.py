"""The connections that replicas are copied over: one to each leader, kept busy by callbacks alone.

    connected -> fetch -> answer: records written -> next fetch, in the same callback
                             | with flush_counts: after the fsync of whatever the fetch claims to have
                             | nothing to ask for (all rest): a timer

A task dials, and dials again when the connection is lost; no task waits for an answer.

Next: fetcher.py decides what is asked and what an answer means.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from random import Random

from minikafka.peer_link import PeerLink, connect
from minikafka.replication.fetcher import Fetcher, FetchSettings
from minikafka.replication.partition import Partition
from minikafka.wire.errors import KafkaError
from minikafka.wire.messages.fetch import FetchResponse
from serving.background import Background

logger = logging.getLogger("minikafka.replication")

Address = tuple[str, int]
REDIAL_S = 0.02, 1.0
NOTHING_TO_ASK_S = 0.05
ANSWER_MARGIN_S = 2.0


class LeaderLink:
    """Copies partitions from one leader."""

    def __init__(self, fetchers: Fetchers, leader: int) -> None:
        self.owner = fetchers
        self.leader = leader
        self.fetcher = Fetcher(
            fetchers.me, leader, fetchers.broker_epoch, fetchers.settings, fetchers.failed, fetchers.truncated
        )
        self.link: PeerLink | None = None
        self._loop = asyncio.get_running_loop()
        self._asked = False
        self._flushing = False
        self._timer: asyncio.TimerHandle | None = None
        self._overdue: asyncio.TimerHandle | None = None
        self._come = 0  # of the answer that is overdue
        self._lost = asyncio.Event()
        self._stopped = False

    async def run(self) -> None:
        """Dial, and dial again, for ever."""
        pause = REDIAL_S[0]
        while not self._stopped:
            address = self.owner.address_of(self.leader)
            if address is not None:
                self._lost.clear()
                try:
                    self.link = await connect(*address, f"replica-fetcher-{self.owner.me}", self._on_lost)
                except (OSError, TimeoutError):
                    pass
                else:
                    pause = REDIAL_S[0]
                    self.fetcher.restart_session()
                    self.fetch()
                    await self._lost.wait()
            await asyncio.sleep(pause * (0.5 + self.owner.random.random()))
            pause = min(2 * pause, REDIAL_S[1])

    def _on_lost(self, link: PeerLink) -> None:
        self.link = None
        self._asked = False
        self._come = 0
        self._forget_timers()
        self._lost.set()

    def _forget_timers(self) -> None:
        for timer in (self._timer, self._overdue):
            if timer is not None:
                timer.cancel()
        self._timer = self._overdue = None

    def stop(self) -> None:
        self._stopped = True
        self._forget_timers()
        if self.link is not None:
            self.link.abort("no longer followed")

    def fetch(self) -> None:
        """Ask for what comes next, unless an answer is awaited, or an fsync."""
        self._timer = None
        if self._asked or self._flushing or self.link is None or self._stopped:
            return
        if self.owner.flush_counts and (unflushed := self.fetcher.unflushed()):
            self._flushing = True
            self.owner.flush(unflushed, self._flushed)
            return
        request = self.fetcher.next_request(self.owner.now_ms())
        if request is None:
            self._timer = self._loop.call_later(NOTHING_TO_ASK_S, self.fetch)
            return
        self._asked = True
        patience = request.max_wait_ms / 1000 + ANSWER_MARGIN_S
        if self._overdue is None:
            self._overdue = self._loop.call_later(patience, self._check_overdue)
        self._answer_due = self._loop.time() + patience
        self.link.call(request, self._answered)

    def _flushed(self) -> None:
        self._flushing = False
        self.fetch()

    def _check_overdue(self) -> None:
        """The leader is silent: frozen, or cut off.  Its connection may look well for minutes yet.

        An answer that is still coming in is no silence, however long it takes: whoever gave up on it would ask for the
        same again, over the same slow line, for ever.
        """
        self._overdue = None
        left = self._answer_due - self._loop.time()
        if left > 0:
            self._come = 0
            self._overdue = self._loop.call_later(left, self._check_overdue)
        elif self._asked and self.link is not None:
            come, self._come = self._come, self.link.partly_received
            if self._come > come:
                self._overdue = self._loop.call_later(ANSWER_MARGIN_S, self._check_overdue)
            else:
                self.link.abort("no answer to a fetch")

    def _answered(self, response: FetchResponse | None) -> None:
        self._asked = False
        if response is not None:
            self.fetcher.receive(response, self.owner.now_ms(), self.owner.wall_ms())
            self.fetch()


class Fetchers:
    """All leaders that broker `me` copies from.

    address_of(leader)        where to dial it now; None while it is not known
    flush(partitions, then)   fsync their logs, then call `then`
    """

    def __init__(
        self,
        me: int,
        settings: FetchSettings,
        *,
        background: Background,
        random: Random,
        now_ms: Callable[[], int],
        wall_ms: Callable[[], int],
        broker_epoch: Callable[[], int],
        address_of: Callable[[int], Address | None],
        failed: Callable[[Partition, KafkaError], None],
        truncated: Callable[[Partition], None],
        flush: Callable[[list[Partition], Callable[[], None]], None],
        flush_counts: bool,
    ) -> None:
        self.me = me
        self.settings = settings
        self.background = background
        self.random = random
        self.now_ms = now_ms
        self.wall_ms = wall_ms
        self.broker_epoch = broker_epoch
        self.address_of = address_of
        self.failed = failed
        self.truncated = truncated
        self.flush = flush
        self.flush_counts = flush_counts
        self.links: dict[int, LeaderLink] = {}
        self._leader_of: dict[tuple[bytes, int], int] = {}

    def follow(self, partition: Partition) -> None:
        """Copy `partition` from its leader; from no other any more."""
        key = partition.topic_id, partition.index
        before = self._leader_of.get(key)
        if before is not None and before != partition.leader:
            self.links[before].fetcher.remove(key)
        self._leader_of[key] = partition.leader
        link = self.links.get(partition.leader)
        if link is None:
            link = self.links[partition.leader] = LeaderLink(self, partition.leader)
            self.background.start(link.run(), f"copying from broker {partition.leader}")
        link.fetcher.add(partition)
        link.fetch()

    def leave(self, key: tuple[bytes, int]) -> None:
        """Copy it no longer: we lead it, nobody does, or it is gone."""
        leader = self._leader_of.pop(key, None)
        if leader is not None:
            self.links[leader].fetcher.remove(key)

    def redial(self, leader: int) -> None:
        """It was restarted: what we know of its connection is old."""
        link = self.links.get(leader)
        if link is not None and link.link is not None:
            link.link.abort("the leader was restarted")

    def stop(self) -> None:
        for link in self.links.values():
            link.stop()
