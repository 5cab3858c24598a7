"""A Raft host that reports all it does to raft/invariants.py, and what its disk really holds.

Nothing is taken on trust: that something is durable is said by the journal's own fsync, not by the driver, so that a driver
which sends too early is found out.  A broken invariant leaves through `Report.broken`, as an exception within a node would be
taken for a failed disk.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from raft.driver import Driver, StateMachine
from raft.example_kv import Table
from raft.host import Host
from raft.invariants import Invariants, InvariantViolated
from raft.membership import Membership
from raft.messages import Entry, HardState, Message, SavedState, Snapshot
from raft.ready import Ready
from raft.storage import GroupStorage


class Report:
    """The invariants of one group, told by all its nodes.

    broken  called with the first that does not hold
    """

    def __init__(self, broken: Callable[[InvariantViolated], None]) -> None:
        self._invariants, self._broken = Invariants(), broken
        self._states: dict[int, Hashable] = {}

    def tell(self, event: str, *arguments: Any) -> None:
        """`event` is a method of Invariants."""
        try:
            getattr(self._invariants, event)(*arguments)
        except InvariantViolated as violated:
            self._broken(violated)
            raise

    def state(self, node: int, index: int, state: Hashable) -> None:
        """The state machine of `node` is this after entry `index`, whether it was applied or came in a snapshot."""
        if self._states.setdefault(index, state) != state:
            violated = InvariantViolated(f"state machines: node {node} is in another state after entry {index}")
            self._broken(violated)
            raise violated


class WatchedDriver(Driver):
    """Reports each Ready, and each entry that is applied."""

    report: Report
    received: Snapshot | None = None

    def _save(self, ready: Ready) -> None:
        self.report.tell("took", self.node, ready)
        self.received = ready.snapshot
        super()._save(ready)

    def _apply(self, entry: Entry) -> None:
        super()._apply(entry)
        self.report.tell("applied", self.node.id, [entry])
        self.report.state(self.node.id, entry.index, state_of(self.machine))

    def _restore(self, snapshot: Snapshot) -> None:
        super()._restore(snapshot)
        self.report.tell("restored", self.node.id, snapshot)
        self.report.state(self.node.id, snapshot.index, state_of(self.machine))


def state_of(machine: StateMachine) -> Hashable:
    """All of it, whatever its own snapshot may leave out."""
    assert isinstance(machine, Table)
    return tuple(sorted(machine.values.items())), tuple(machine.sessions.items())


class WatchedHost(Host):
    """A host of one group that is watched."""

    driver_class = WatchedDriver

    def __init__(self, report: Report, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._report = report

    def join(
        self,
        group: int,
        machine: StateMachine,
        *,
        founders: Membership | None = None,
        snapshot_entries: int = 10_000,
    ) -> Driver:
        """As a host does, and reports the start."""
        storage = self.store.group(group)
        take, found = storage.take, list[SavedState]()

        def taken() -> SavedState:
            found.append(take())
            return found[0]

        storage.take = taken  # type: ignore[method-assign]
        driver = super().join(group, machine, founders=founders, snapshot_entries=snapshot_entries)
        assert isinstance(driver, WatchedDriver)
        driver.report = self._report
        self._report.tell("started", driver.node, found[0])
        if found[0].snapshot.index:
            self._report.state(self.node_id, found[0].snapshot.index, state_of(machine))
        watch_disk(self._report, driver, storage)
        return driver

    def _send(self, group: int, message: Message) -> None:
        self._report.tell("sent", message)
        super()._send(group, message)


def watch_disk(report: Report, driver: WatchedDriver, storage: GroupStorage) -> None:
    """Report what is durable, at the moment it is."""
    journal, node = storage.store.journal, driver.node
    save, save_snapshot, on_durable = storage.save, storage.save_snapshot, journal._on_durable
    pending: deque[tuple[int, HardState | None, tuple[Entry, ...]]] = deque()

    def saving(hard_state: HardState | None, entries: Iterable[Entry]) -> None:
        entries = tuple(entries)
        save(hard_state, entries)
        pending.append((journal.written, hard_state, entries))

    async def saving_snapshot(snapshot: Snapshot) -> None:
        await save_snapshot(snapshot)
        if snapshot is driver.received:
            report.tell("saved", node.id, None, (), snapshot)

    def durable(position: int) -> None:
        while pending and pending[0][0] <= position:
            _, hard_state, entries = pending.popleft()
            report.tell("saved", node.id, hard_state, entries, None)
        on_durable(position)

    storage.save = saving  # type: ignore[method-assign]
    storage.save_snapshot = saving_snapshot  # type: ignore[method-assign]
    journal._on_durable = durable
