"""What a Raft node must not forget: its term and vote, its log, its snapshot.  Many groups share one journal and one fsync.

    folder/journal/     one durable.journal for all groups; each record says whose it is, and what:
                            [group, ENTRIES, entry, entry ...]      from the first one's index on, they replace the log
                            [group, STATE, term, vote, commit]      the newest counts
                            [group, SNAPSHOT, index, term]          the log begins behind it
    folder/snapshots/   <group>-<index>-<term>.snapshot             a file each, written aside and renamed

Nothing is ever cut from the end of the journal: the new leader's entries replace the old leader's by being read later.

A snapshot is two steps, and the power may fail between them:

    file durable, no record yet     the file is the newest there is, and is used: the log before it goes when it is read,
                                    all of the log if its entry at that index is of another term (§7, figure 13, steps 6, 7);
                                    and the record is written now
    record without its file         cannot be: the record is written when the file is durable, older files go after that

The record is not for the node that crashes in between, but for the entries that come after it: they continue the
snapshot, while what stands before the record in the journal may be another history altogether.

Source: Ongaro and Ousterhout (2014), figure 2 "persistent state", §7; etcd's server/storage/wal for the order of the steps.
Next: driver.py says when to save what, and what must wait for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from posixpath import basename, join
from typing import Any, cast

import msgpack

from durable.disk import Disk
from durable.journal import SEGMENT_BYTES, CorruptJournal, Journal, encode_record, whole_records
from durable.replace_file import replace_file, replace_file_soon
from raft.frames import decode_entry
from raft.membership import Membership
from raft.messages import Entry, HardState, SavedState, Snapshot

ENTRIES, STATE, SNAPSHOT = range(3)
SUFFIX = ".snapshot"


class Unreadable(Exception):
    """What is on disk contradicts itself: entries or a snapshot that were promised are missing."""


class Store:
    """The journal that all groups of a process share, and the folder of their snapshots."""

    def __init__(
        self,
        disk: Disk,
        folder: str,
        *,
        on_broken: Callable[[OSError], None] = lambda error: None,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        """Read everything back.  Raises CorruptJournal, Unreadable, OSError: do not start a node on what is left.

        on_broken  called when an fsync failed: no group may go on
        """
        self.disk, self.snapshots = disk, join(folder, "snapshots")
        self._groups: dict[int, GroupStorage] = {}
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()
        disk.mkdir(self.snapshots)
        self.journal = Journal(
            disk,
            join(folder, "journal"),
            replay=self._replay,
            on_durable=self._durable,
            on_broken=on_broken,
            segment_bytes=segment_bytes,
        )
        for name in disk.listdir(self.snapshots):
            if name.endswith(SUFFIX):
                self.group(int(name.split("-")[0])).found_snapshot(join(self.snapshots, name))
            else:
                disk.unlink(join(self.snapshots, name))  # of a snapshot that a crash cut short
        for group in self._groups.values():
            group.settle()

    def group(self, group_id: int) -> GroupStorage:
        """What is stored of one group; empty when it is new."""
        if group_id not in self._groups:
            self._groups[group_id] = GroupStorage(self, group_id)
        return self._groups[group_id]

    def groups(self) -> list[int]:
        """The groups there are."""
        return sorted(self._groups)

    def _replay(self, position: int, record: bytes) -> None:
        group_id, kind, *fields = msgpack.unpackb(record, use_list=False)
        self.group(group_id).replay(position, kind, fields)

    # -- writing ------------------------------------------------------------------------------------------------

    def write(self, *records: list[Any]) -> int:
        """Append records in one write; returns the position of the first.  Raises OSError."""
        return self.journal.append([cast(bytes, msgpack.packb(record)) for record in records])

    def when_durable(self, callback: Callable[[], None]) -> None:
        """Call it, in a turn of its own, when all that is written by now is durable; one fsync serves all who ask."""
        self._waiting.append((self.journal.written, callback))
        self.journal.sync()
        self._durable(self.journal.durable)

    def _durable(self, position: int) -> None:
        loop = asyncio.get_running_loop() if self._waiting else None
        while loop is not None and self._waiting and self._waiting[0][0] <= position:
            loop.call_soon(self._waiting.popleft()[1])

    def collect(self) -> None:
        """Let go of the segments that no group needs any more.

        The state of a group that has been silent for long may be the only thing in an old segment that still counts: it
        is written again, and so nobody pins the journal but by a log that is not compacted.
        """
        journal = self.journal
        limit = min([group.first_entry_at() for group in self._groups.values()] + [journal.segments[-1].base])
        if limit < journal.segments[0].end:
            return
        for group in self._groups.values():
            group.write_state_again(limit)
        self.when_durable(lambda: journal.drop_before(limit))

    def close(self) -> None:
        """Close the files; what is not durable by then may never be."""
        self._waiting.clear()
        self.journal.close()


class GroupStorage:
    """What one group has on disk."""

    def __init__(self, store: Store, group_id: int) -> None:
        self.store, self.group_id = store, group_id
        self._hard_state = HardState()
        self._snapshot: Snapshot | None = None
        self._entries: list[Entry] = []
        self._records: deque[tuple[int, int]] = deque()  # of entries: position, last index
        self._state: list[Any] | None = None
        self._mark: list[Any] | None = None
        self._state_at = self._mark_at = 0

    # -- reading back -------------------------------------------------------------------------------------------

    def replay(self, position: int, kind: int, fields: list[Any]) -> None:
        """One record, as it is read from the journal."""
        if kind == ENTRIES:
            self._replay_entries(position, [decode_entry(*each) for each in fields])
        elif kind == STATE:
            self._hard_state = HardState(*fields)
            self._state, self._state_at = [self.group_id, STATE, *fields], position
        else:
            index, term = fields
            self._begin_behind(index, term)
            self._mark, self._mark_at = [self.group_id, SNAPSHOT, index, term], position

    def _replay_entries(self, position: int, entries: list[Entry]) -> None:
        log, first = self._entries, entries[0].index
        if log and first > log[-1].index + 1:
            raise Unreadable(f"group {self.group_id}: entry {first} follows entry {log[-1].index}")
        if log:
            del log[max(0, first - log[0].index) :]
        log += entries
        self._records.append((position, entries[-1].index))

    def _begin_behind(self, index: int, term: int) -> None:
        """The log goes up to `index`; all of it, unless its entry there is of that term."""
        log = self._entries
        place = index - log[0].index if log else -1
        if 0 <= place < len(log) and log[place].term == term:
            del log[: place + 1]
        elif place >= 0:  # below: it begins behind `index` already, as older segments are gone
            log.clear()
        self._forget_records(index)

    def _forget_records(self, index: int) -> None:
        while self._records and self._records[0][1] <= index:
            self._records.popleft()

    def found_snapshot(self, path: str) -> None:
        """A snapshot's file; they come in the order of their names, the newest last.  Raises CorruptJournal."""
        content = self.store.disk.read(path)
        (_, record), *rest = whole_records(path, content, base=0)
        if rest:
            raise CorruptJournal(path, 0, "more than one record")
        index, term, membership, data = msgpack.unpackb(record, use_list=False)
        self._snapshot = Snapshot(index, term, Membership.decode(membership), data)

    def settle(self) -> None:
        """Everything is read: does it fit together?  Raises Unreadable."""
        index, term = (self._snapshot.index, self._snapshot.term) if self._snapshot else (0, 0)
        if self._mark is not None and self._mark[2] > index:
            raise Unreadable(f"group {self.group_id}: the snapshot of entry {self._mark[2]} is missing")
        if index:
            self._begin_behind(index, term)
        first = self._entries[0].index if self._entries else index + 1
        if first != index + 1:
            raise Unreadable(f"group {self.group_id}: the log begins with entry {first}, not {index + 1}")
        if index and (self._mark is None or self._mark[2] < index):
            self._write_mark(index, term)

    @property
    def is_new(self) -> bool:
        """Whether nothing of this group was ever stored here."""
        return self._snapshot is None and self._hard_state == HardState() and not self._entries

    def take(self) -> SavedState:
        """What was found at the start, for a node to go on from.  Once: from then on the node keeps it."""
        saved = SavedState(self._hard_state, self._snapshot or Snapshot(), tuple(self._entries))
        self._entries, self._snapshot = [], None
        return saved

    # -- writing ------------------------------------------------------------------------------------------------

    def found(self, membership: Membership) -> None:
        """Store the membership a cluster is founded with, the same on each of its members; before anything else.

        Only on a disk that never held this node: a voter that forgot its vote might vote twice in one term.  Blocks.
        """
        assert self.is_new, "a cluster is founded once"
        self._snapshot = Snapshot(membership=membership)
        replace_file(self.store.disk, self._path(self._snapshot), packed_snapshot(self._snapshot))

    def save(self, hard_state: HardState | None, entries: Iterable[Entry]) -> None:
        """Write entries, then the state; durable when `store.when_durable` says so.  Raises OSError."""
        packed = [(entry.index, entry.term, entry.kind, entry.data) for entry in entries]
        records: list[list[Any]] = [[self.group_id, ENTRIES, *packed]] if packed else []
        if hard_state is not None:
            self._state = [self.group_id, STATE, hard_state.term, hard_state.vote, hard_state.commit]
            records.append(self._state)
        position = self.store.write(*records)
        if packed:
            self._records.append((position, packed[-1][0]))
        if hard_state is not None:
            self._state_at = position  # or a little behind it

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep this one instead of those before; its file is durable at the return, its record when the store says so.

        Raises OSError.
        """
        disk, path = self.store.disk, self._path(snapshot)
        await replace_file_soon(disk, path, packed_snapshot(snapshot))
        self._write_mark(snapshot.index, snapshot.term)
        self._forget_records(snapshot.index)
        for older in disk.listdir(self.store.snapshots):
            if older.startswith(f"{self.group_id}-") and older.endswith(SUFFIX) and older < basename(path):
                disk.unlink(join(self.store.snapshots, older))

    def _write_mark(self, index: int, term: int) -> None:
        self._mark = [self.group_id, SNAPSHOT, index, term]
        self._mark_at = self.store.write(self._mark)

    def _path(self, snapshot: Snapshot) -> str:
        return join(self.store.snapshots, f"{self.group_id}-{snapshot.index:020}-{snapshot.term:020}{SUFFIX}")

    def first_entry_at(self) -> int:
        """The position of the oldest record whose entries are needed; behind everything when there is none."""
        return self._records[0][0] if self._records else self.store.journal.written

    def write_state_again(self, limit: int) -> None:
        """Write what stands before `limit` and still counts at the end of the journal."""
        if self._mark is not None and self._mark_at < limit:
            self._mark_at = self.store.write(self._mark)
        if self._state is not None and self._state_at < limit:
            self._state_at = self.store.write(self._state)


def packed_snapshot(snapshot: Snapshot) -> bytes:
    """A snapshot's file: one record of the journal's kind, so that damage is found."""
    fields = (snapshot.index, snapshot.term, snapshot.membership.encode(), snapshot.data)
    return encode_record(cast(bytes, msgpack.packb(fields)))
