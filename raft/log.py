"""The replicated log of one server, as its algorithm sees it: entries in memory, and positions in them.

    base           snapshot                                                                    last
     ├────────────────┼──────────────────────────────────────────────────────────────────────────┤
      kept for slow    state is here too ([R] §7)
      followers             applied  ≤  applying  ≤  committed     what may be applied, was handed out, has been applied
                            saved    ≤  taken     ≤  last          what exists, was handed out to be saved, is durable

The two rows move apart from each other: a leader may know an entry committed by others before its own disk has it.  So
commitment never looks at `saved`; only the leader's vote for its own entries does.

Only a conflicting suffix is ever removed, and never a committed one: that would be a broken promise, so it is an assertion.

The log also knows the configurations in it: the newest one is in force, and cutting it away brings back the one before.

Source: [R] §5.3, §5.4.1, §7.  Etcd keeps unsaved entries apart in `unstable` and asks its storage for the rest; here all
entries since the base stay in memory, bounded by compaction.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from operator import attrgetter

from raft.membership import Membership
from raft.messages import Entry, EntryKind, SavedState, Snapshot


class Log:
    def __init__(self, saved: SavedState) -> None:
        self.snapshot = saved.snapshot
        self.base_index, self.base_term, self._entries = rooted(saved)
        self.configurations = [(self.snapshot.index, self.snapshot.membership)]
        for entry in self._entries:
            self._note_configuration(entry)
        self.committed = self.applied = self.applying = self.snapshot.index
        self.saved = self.taken = self.last_index
        self._saving: deque[list[int]] = deque()

    # -- what is in it ------------------------------------------------------------------------------------------------

    @property
    def first_index(self) -> int:
        return self.base_index + 1

    @property
    def last_index(self) -> int:
        return self.base_index + len(self._entries)

    @property
    def last_term(self) -> int:
        return self._entries[-1].term if self._entries else self.base_term

    def term_at(self, index: int) -> int | None:
        """None where nothing is known: before the base and after the end."""
        place = index - self.base_index - 1
        if 0 <= place < len(self._entries):
            return self._entries[place].term
        return self.base_term if place == -1 else None

    def has(self, index: int, term: int) -> bool:
        """The consistency check: then all before it is equal too, by the Log Matching Property ([R] §5.3)."""
        return self.term_at(index) == term

    def is_older_or_same(self, last_index: int, last_term: int) -> bool:
        """Whether a log that ends so is at least as up-to-date as this: last term first, then length ([R] §5.4.1)."""
        return (self.last_term, self.last_index) <= (last_term, last_index)

    def slice(self, first: int, last: int) -> tuple[Entry, ...]:
        """Entries first..last, inclusive, as far as there are any."""
        return tuple(self._entries[max(first - self.base_index - 1, 0) : max(last - self.base_index, 0)])

    def batch(self, first: int, bytes_max: int) -> tuple[Entry, ...]:
        """Entries from `first` on that fit in `bytes_max`; one, however large, if there is one."""
        start = end = first - self.base_index - 1
        size = 0
        while end < len(self._entries):
            size += self._entries[end].size
            if size > bytes_max and end > start:
                break
            end += 1
        return tuple(self._entries[start:end])

    def last_at_or_below(self, index: int, term: int) -> tuple[int, int]:
        """(index, term) of the last entry at or before `index` whose term is not above `term`.

        Two servers that do not agree at some entry can step over whole terms this way: an entry of a later term than any
        the other has up to there cannot be shared.  If all known ones are of later terms, the base.
        """
        end = max(min(index, self.last_index) - self.base_index, 0)
        index = self.base_index + bisect_right(self._entries, term, hi=end, key=attrgetter("term"))
        found = self.term_at(index)
        assert found is not None
        return index, found

    # -- configurations -----------------------------------------------------------------------------------------------

    @property
    def membership(self) -> Membership:
        """The newest configuration in the log, committed or not ([R] §6)."""
        return self.configurations[-1][1]

    @property
    def membership_index(self) -> int:
        return self.configurations[-1][0]

    def membership_at(self, index: int) -> Membership:
        return next(membership for at, membership in reversed(self.configurations) if at <= index)

    def gives_a_voice(self, server: int) -> bool:
        """Whether any configuration that may turn out to be the one in force, the committed one or a later, has it vote."""
        open_ones = (membership for at, membership in self.configurations if at > self.committed)
        return self.membership_at(self.committed).may_vote(server) or any(each.may_vote(server) for each in open_ones)

    def _note_configuration(self, entry: Entry) -> None:
        if entry.kind is EntryKind.MEMBERSHIP and entry.index > self.snapshot.index:
            self.configurations.append((entry.index, Membership.decode(entry.data)))

    # -- changes ------------------------------------------------------------------------------------------------------

    def append(self, entry: Entry) -> None:
        assert entry.index == self.last_index + 1
        self._entries.append(entry)
        self._note_configuration(entry)

    def merge(self, entries: Sequence[Entry]) -> None:
        """Take a leader's entries that follow a matching one: AppendEntries, steps 3 and 4 of [R] Figure 2."""
        for place, entry in enumerate(entries):
            if self.has(entry.index, entry.term):
                continue  # a repeated or late message: what follows here may be newer than it, so nothing is cut
            if entry.index <= self.last_index:
                self._cut_from(entry.index)
            for new in entries[place:]:
                self.append(new)
            return

    def _cut_from(self, index: int) -> None:
        """Remove a suffix that conflicts with the leader's log."""
        assert index > self.committed, f"entry {index} is committed and cannot be replaced"
        del self._entries[index - self.base_index - 1 :]
        while self.configurations[-1][0] >= index:
            self.configurations.pop()
        self._forget_saved_from(index)

    def _forget_saved_from(self, index: int) -> None:
        """What is being written at or after `index` will not count as saved when the write is done."""
        self.saved = min(self.saved, index - 1)
        self.taken = min(self.taken, index - 1)
        for write in self._saving:
            write[1] = min(write[1], index - 1)

    def commit_to(self, index: int) -> None:
        """Raise the commit index; it never goes back."""
        if index > self.committed:
            assert index <= self.last_index, f"entry {index} is committed, but this log ends at {self.last_index}"
            self.committed = index

    def install(self, snapshot: Snapshot) -> None:
        """Replace everything by a snapshot that is ahead of this log."""
        self.snapshot = snapshot
        self.base_index, self.base_term = snapshot.index, snapshot.term
        self._entries.clear()
        self.configurations = [(snapshot.index, snapshot.membership)]
        self._forget_saved_from(1)
        self.taken = self.committed = self.applying = snapshot.index

    def compact(self, snapshot: Snapshot, kept: int) -> None:
        """Forget entries before a snapshot of our own, but for the last `kept` ones."""
        membership_now = [(at, membership) for at, membership in self.configurations if at > snapshot.index]
        self.configurations = [(snapshot.index, snapshot.membership), *membership_now]
        self.snapshot = snapshot
        base = max(snapshot.index - kept, self.base_index)
        base = min(base, self.taken)  # the rest has not even been handed out to be saved
        term = self.term_at(base)
        assert term is not None
        del self._entries[: base - self.base_index]
        self.base_index, self.base_term = base, term

    def hand_out_committed(self) -> tuple[Entry, ...]:
        """Committed entries not handed out before, to be applied."""
        entries = self.slice(self.applying + 1, self.committed) if self.applying < self.committed else ()
        self.applying = self.committed
        return entries

    # -- saving -------------------------------------------------------------------------------------------------------

    def take(self, number: int) -> tuple[Entry, ...]:
        """Entries not handed out before, to be saved as write `number`."""
        entries = self.slice(self.taken + 1, self.last_index) if self.taken < self.last_index else ()
        self.taken = self.last_index
        self._saving.append([number, self.last_index])
        return entries

    def was_saved(self, number: int) -> None:
        """Writes up to `number` are durable: so are their entries, but for those which have been cut away since."""
        while self._saving and self._saving[0][0] <= number:
            self.saved = max(self.saved, self._saving.popleft()[1])


def rooted(saved: SavedState) -> tuple[int, int, list[Entry]]:
    """(base index, base term, entries after it) of what was on the disk.

    A log that does not reach the snapshot, or disagrees with it, is older than it: the crash came after the snapshot was
    saved and before the log was cut.
    """
    snapshot, entries = saved.snapshot, list(saved.entries)
    if entries and entries[0].index <= snapshot.index:
        first = entries[0].index
        reaches = first + len(entries) - 1 >= snapshot.index
        if reaches and entries[snapshot.index - first].term == snapshot.term:
            return first, entries[0].term, entries[1:]
        return snapshot.index, snapshot.term, []
    assert not entries or entries[0].index == snapshot.index + 1, f"no entry after the snapshot at {snapshot.index}"
    return snapshot.index, snapshot.term, entries
