"""What drives one node: messages, proposals and time in; files, sends and state machine out, in the one right order.

    step, propose, read, tick ──▶ Node ──▶ Ready ──▶ 1 save ──▶ 2 send ──▶ 3 apply ──▶ advance ──▶ next Ready
                                                     one fsync    what must      answers to
                                                     in flight    not precede it  those who wait

The node changes only between two awaits: all that comes in within one turn of the loop, or while an fsync runs, is stepped
at once and leaves in one next Ready, with one fsync for all of it (group commit).  No task, no lock, no await while the
node's state is half changed; a proposal costs a future and an entry in a dict.

An answer is due when the entry is applied, and to the right one: (index, term) must both be what `propose` got, as another
leader's entry may have taken the place.  Then the proposal is lost for certain (ProposalLost).  When leadership goes away
first, nobody here knows (OutcomeUnknown): the entry may be committed by the next leader, or not.

A failed write or fsync stops the node: what it would say from then on might be a promise over a hole.

Source: etcd's server/etcdserver/raft.go for the loop; Ongaro (2014 thesis) §10.2.1, the leader may send entries to others
while it writes them itself.  Next: host.py, many drivers in one process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

from raft.membership import Membership
from raft.messages import Entry, EntryKind, Message, Snapshot
from raft.node import Node
from raft.ready import Leadership, NotLeader, Ready, Refused, Role
from raft.storage import GroupStorage

logger = logging.getLogger("raft")


class ProposalLost(Exception):
    """Another entry was committed in its place: it was not carried out, and never will be."""


class OutcomeUnknown(Exception):
    """Leadership was lost, or the node stopped, before it was known whether the proposal is committed."""


class StateMachine(Protocol):
    """What the log is for."""

    def apply(self, index: int, data: bytes) -> Any:
        """Carry out one committed entry; returns what `propose` answers.  Must not raise: it would on every node."""

    def snapshot(self) -> bytes | Awaitable[bytes]:
        """Everything that was applied before the call; where that is much to write down, it may be given later."""

    def restore(self, snapshot: bytes) -> None:
        """Forget everything, and be what that snapshot says."""

    def leadership(self, term: int, leader: int | None) -> None:
        """Another term, or another leader of it; None while there is none that we know of.

        When it is this node, everything that was committed before it led has been applied by now.
        """


class Driver:
    """One node of one group, alive.  Made and used on one event loop."""

    def __init__(
        self,
        node: Node,
        storage: GroupStorage,
        machine: StateMachine,
        send: Callable[[Message], None],
        *,
        tick_s: float = 0.1,
        read_ticks: int = 20,
        snapshot_entries: int = 10_000,
        on_failed: Callable[[BaseException], None] = lambda error: None,
    ) -> None:
        """
        node              made from what `storage` had; nobody else may touch it from now on
        machine           as it was at the node's `applied_index`
        send              hands one message to the network, which may lose it
        read_ticks        after which a read that nobody confirmed is given up
        snapshot_entries  how many entries are applied between two snapshots
        on_failed         the disk failed, or a bug showed: the node has stopped, and the process had better end
        """
        self.node, self.storage, self.machine = node, storage, machine
        self.failure: BaseException | None = None
        self.stopped = False
        self._send, self._on_failed = send, on_failed
        self._tick_s, self._read_ticks, self._snapshot_entries = tick_s, read_ticks, snapshot_entries
        self._loop = asyncio.get_running_loop()
        self._scheduled = self._saving = False
        self._snapshot_at = node.applied_index
        self._snapshotting: asyncio.Task[None] | None = None
        self._taken: tuple[int, bytes] | None = None  # a snapshot that came while something was being saved
        self._installing: asyncio.Task[None] | None = None
        self._proposals: dict[int, tuple[int, asyncio.Future[Any]]] = {}
        self._asked: list[asyncio.Future[None]] = []  # reads that begin in this turn, and share one round
        self._reads: dict[
            bytes, tuple[int, list[asyncio.Future[None]]]
        ] = {}  # context: the tick it was begun at, who waits
        self._due: list[tuple[int, list[asyncio.Future[None]]]] = []  # confirmed, until so much is applied
        self._ticks = self._rounds = 0
        self._elected: Leadership | None = None  # we lead, and have not applied our first entry yet
        self._timer = self._loop.call_later(tick_s, self._tick)
        self._soon()

    # -- what comes in ------------------------------------------------------------------------------------------

    def step(self, message: Message) -> None:
        """A message from a peer."""
        if not self.stopped:
            self.node.step(message)
            self._soon()

    def propose(self, data: bytes) -> asyncio.Future[Any]:
        """What the machine answers, once this is committed and applied here.

        Raises NotLeader and the other `Refused` at once, the future ProposalLost or OutcomeUnknown.  Giving up waiting takes
        nothing back.
        """
        self._check()
        return self._proposed(*self.node.propose(data))

    def append(self, data: bytes) -> int:
        """As `propose`, for who learns from the machine what becomes of it: returns the index it will have if it is
        committed.  When another node leads, or the same in another term, it may never be."""
        self._check()
        _, index = self.node.propose(data)
        self._soon()
        return index

    def propose_membership(self, target: Membership) -> asyncio.Future[Any]:
        """None, once the first entry of the change is committed and applied here; errors as with `propose`."""
        self._check()
        return self._proposed(*self.node.propose_membership(target))

    def _proposed(self, term: int, index: int) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self._loop.create_future()
        self._proposals[index] = term, future
        self._soon()
        return future

    def read(self) -> asyncio.Future[None]:
        """Done when the machine is at least as new as at the moment of this call ([T] §6.4): then ask it.

        Works on a follower too, as long as it knows a leader.  All reads of one turn share one round of heartbeats.
        Raises NotLeader at once, the future OutcomeUnknown.
        """
        self._check()
        if self.node.leader is None:
            raise NotLeader(None)
        future: asyncio.Future[None] = self._loop.create_future()
        self._asked.append(future)
        self._soon()
        return future

    def transfer_leadership(self, to: int) -> None:
        """Begin to hand leadership over; `leadership` of the machine tells how it went.  Raises Refused, ValueError."""
        self._check()
        self.node.transfer_leadership(to)
        self._soon()

    def _check(self) -> None:
        if self.stopped:
            raise OutcomeUnknown("this node has stopped") from self.failure

    def _tick(self) -> None:
        self._timer = self._loop.call_later(self._tick_s, self._tick)
        self._ticks += 1
        self.node.tick()
        while self._reads:
            context, (begun, waiting) = next(iter(self._reads.items()))
            if begun + self._read_ticks > self._ticks:
                break
            del self._reads[context]
            fail(waiting, OutcomeUnknown("no majority confirmed the leader in time"))
        self._soon()

    def _soon(self) -> None:
        if not self._scheduled and not self._saving:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    # -- what goes out: save, send, apply -----------------------------------------------------------------------

    def _turn(self) -> None:
        self._scheduled = False
        try:
            self._begin_reads()
            while not self._saving and not self.stopped and self.node.has_ready():
                self._save(self.node.ready())
        except Exception as error:
            self._fail(error)

    def _begin_reads(self) -> None:
        if not self._asked or self.stopped:
            return
        waiting, self._asked = self._asked, []
        self._rounds += 1
        context = self._rounds.to_bytes(8, "big")
        self._reads[context] = self._ticks, waiting
        try:
            self.node.read_index(context)
        except Refused as refused:
            del self._reads[context]
            fail(waiting, refused)

    def _save(self, ready: Ready) -> None:
        """Steps 0 and 1; the rest at once, or when it is durable."""
        for message in ready.messages_at_once:
            self._send(message)
        if ready.snapshot is not None:
            self._saving = True
            self._installing = self._loop.create_task(self._save_snapshot(ready, ready.snapshot))
            return
        self.storage.save(ready.hard_state, ready.entries)
        if ready.must_sync:
            self._saving = True
            self.storage.store.when_durable(lambda: self._saved(ready))
        else:
            self._finish(ready)

    async def _save_snapshot(self, ready: Ready, snapshot: Snapshot) -> None:
        try:
            if self._snapshotting is not None:
                await asyncio.wait([self._snapshotting])
            await self.storage.save_snapshot(snapshot)
            self.storage.save(ready.hard_state, ready.entries)
            self.storage.store.when_durable(lambda: self._saved(ready))
        except Exception as error:
            self._fail(error)

    def _saved(self, ready: Ready) -> None:
        if self.stopped:
            return
        self._saving = False
        try:
            self._finish(ready)
        except Exception as error:
            self._fail(error)
        else:
            self._turn()

    def _finish(self, ready: Ready) -> None:
        """Steps 2 to 4."""
        for message in ready.messages:
            self._send(message)
        if ready.leadership is not None:
            self._follow(ready.leadership)
        if ready.snapshot is not None:
            self._restore(ready.snapshot)
        for entry in ready.committed:
            self._apply(entry)
        self.node.advance(ready)
        applied = self.node.applied_index
        for read in ready.reads:
            _, waiting = self._reads.pop(read.context, (0, []))
            self._due.append((read.index, waiting))
        if self._due:
            for index, waiting in self._due:
                if index <= applied:
                    succeed(waiting)
            self._due = [(index, waiting) for index, waiting in self._due if index > applied]
        self._compact_late()
        if applied - self._snapshot_at >= self._snapshot_entries and self._snapshotting is None:
            self._take_snapshot(applied)

    def _apply(self, entry: Entry) -> None:
        result = self.machine.apply(entry.index, entry.data) if entry.kind is EntryKind.COMMAND else None
        if self._proposals:
            term, future = self._proposals.pop(entry.index, (0, None))
            if future is not None and not future.done():
                if term == entry.term:
                    future.set_result(result)
                else:
                    future.set_exception(ProposalLost(f"entry {entry.index} is of term {entry.term}, not {term}"))
        if self._elected is not None and entry.term == self._elected.term:
            elected, self._elected = self._elected, None
            self.machine.leadership(elected.term, elected.leader)

    def _restore(self, snapshot: Snapshot) -> None:
        self.machine.restore(snapshot.data)
        self._snapshot_at = snapshot.index
        for index in [index for index in self._proposals if index <= snapshot.index]:
            fail([self._proposals.pop(index)[1]], OutcomeUnknown("its entry is within a snapshot from another leader"))

    def _follow(self, now: Leadership) -> None:
        """Somebody else leads, nobody, or we: then the machine hears of it when it has all that was there before us."""
        self._elected = None
        if now.role is not Role.LEADER:
            proposals, self._proposals = self._proposals, {}
            fail([future for _, future in proposals.values()], OutcomeUnknown("leadership was lost"))
        if now.role is Role.LEADER:
            self._elected = now
        else:
            self.machine.leadership(now.term, now.leader)

    # -- snapshots and the end ----------------------------------------------------------------------------------

    def _take_snapshot(self, applied: int) -> None:
        taken = self.machine.snapshot()
        if isinstance(taken, bytes):
            self._compact(applied, taken)
        else:
            self._snapshotting = self._loop.create_task(self._receive(applied, taken))

    async def _receive(self, applied: int, taken: Awaitable[bytes]) -> None:
        """A snapshot that comes late.  The log is left alone while something is saved that was taken from it."""
        try:
            self._taken = applied, await taken
        except Exception as error:
            self._fail(error)
        finally:
            self._snapshotting = None
        if not self._saving and not self.stopped:
            self._compact_late()

    def _compact_late(self) -> None:
        if self._taken is not None and self._snapshotting is None:
            taken, self._taken = self._taken, None
            self._compact(*taken)

    def _compact(self, applied: int, data: bytes) -> None:
        snapshot = self.node.compact(applied, data)
        if snapshot is not None:
            self._snapshot_at = snapshot.index
            self._snapshotting = self._loop.create_task(self._keep(snapshot))

    async def _keep(self, snapshot: Snapshot) -> None:
        try:
            await self.storage.save_snapshot(snapshot)
            self.storage.store.collect()
        except Exception as error:
            self._fail(error)
        finally:
            self._snapshotting = None

    def _fail(self, error: BaseException) -> None:
        if not self.stopped:
            logger.error("node %d of group %d stops: %r", self.node.id, self.storage.group_id, error)
            self.failure = error
            self.stop()
            self._on_failed(error)

    def stop(self) -> None:
        """No further step is taken; who still waits learns that nobody knows."""
        self.stopped = True
        self._timer.cancel()
        for task in (self._snapshotting, self._installing):
            if task is not None and task is not asyncio.current_task():
                task.cancel()
        unknown = OutcomeUnknown("this node has stopped")
        fail([future for _, future in self._proposals.values()], unknown)
        fail([*self._asked, *(each for _, waiting in self._reads.values() for each in waiting)], unknown)
        fail([each for _, waiting in self._due for each in waiting], unknown)
        self._proposals, self._asked, self._reads, self._due = {}, [], {}, []


def succeed(waiting: Iterable[asyncio.Future[None]]) -> None:
    """Wake those who still wait."""
    for future in waiting:
        if not future.done():
            future.set_result(None)


def fail(waiting: Iterable[asyncio.Future[Any]], error: Exception) -> None:
    """Tell those who still wait why they wait no longer."""
    for future in waiting:
        if not future.done():
            future.set_exception(error)
