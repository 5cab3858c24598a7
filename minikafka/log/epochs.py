"""`leader-epoch-checkpoint`: where each leader's reign began in this log.

    0            version
    2            how many entries
    0 0          epoch 0 began at offset 0
    3 41         epoch 3 at offset 41: epochs 1 and 2 left nothing here

Every batch carries the epoch of the leader that took it.  A follower that comes back asks the new leader "where does your
epoch 3 end?" and cuts off what it has beyond: two logs that agree on the end of an epoch agree on all before.  Cutting at
the high watermark instead, as Kafka did first, loses acknowledged records when two brokers fail in turn.

The file is written at each change but made durable only by `flush`, which comes before the log's recovery point moves:
entries beyond that point are found again in the batches, and an entry without a batch means nothing.

Source: KIP-101 "Leader Epoch"; KIP-279.  Next: producer_state.py.
"""

from bisect import bisect_right

from durable.disk import Disk
from durable.replace_file import replace_file

UNKNOWN = -1
FILE_NAME = "leader-epoch-checkpoint"


class LeaderEpochs:
    """(epoch, start offset), both rising.  Methods that change something write the file and raise OSError."""

    def __init__(self, disk: Disk, path: str) -> None:
        self._disk = disk
        self.path = path
        self.entries: list[tuple[int, int]] = []
        self.latest = UNKNOWN
        self.dirty = False  # the file may not be durable
        self._flushes = 0  # begun; two may be under way at once, each with a file of its own

    def load(self) -> bool:
        """Read the file; False when it is missing or damaged, and then the batches must tell."""
        try:
            self._set(decode(self._disk.read(self.path)))
        except (FileNotFoundError, ValueError):
            self._set([])
            return False
        return True

    def assign(self, epoch: int, start_offset: int) -> None:
        """The leader of `epoch` begins at `start_offset`, the end of the log; without effect for the latest epoch."""
        if epoch == self.latest or epoch < 0:
            return
        kept = [entry for entry in self.entries if entry[0] < epoch and entry[1] < start_offset]
        self._set([*kept, (epoch, start_offset)])
        self.write()

    def forget_from(self, offset: int) -> None:
        """Batches from `offset` on are being checked: only what they say themselves counts."""
        self._set([entry for entry in self.entries if entry[1] < offset])
        self.dirty = True

    def note(self, epoch: int, start_offset: int) -> None:
        """As `assign`, from a batch that recovery found; the file is written when all are known."""
        if epoch > self.latest:
            kept = [entry for entry in self.entries if entry[1] < start_offset]
            self._set([*kept, (epoch, start_offset)])
            self.dirty = True

    def end_offset_for(self, epoch: int, log_end_offset: int) -> tuple[int, int]:
        """(epoch, end offset) of the largest epoch up to the one asked: what OffsetForLeaderEpoch answers.

        (-1, -1) when the one asked is above all known; for one below all known, itself and where the log begins.
        """
        if epoch == UNKNOWN or not self.entries:
            return UNKNOWN, UNKNOWN
        if epoch == self.latest:
            return epoch, log_end_offset
        if epoch > self.latest:
            return UNKNOWN, UNKNOWN
        place = bisect_right(self.entries, epoch, key=lambda entry: entry[0])
        if place == 0:
            return epoch, self.entries[0][1]
        return self.entries[place - 1][0], self.entries[place][1]

    def epoch_of(self, offset: int) -> int:
        """The epoch of the batch at `offset`; -1 before all known."""
        place = bisect_right(self.entries, offset, key=lambda entry: entry[1])
        return self.entries[place - 1][0] if place else UNKNOWN

    def truncate_from_end(self, end_offset: int) -> None:
        """The log ends at `end_offset` now: epochs that began there or later are gone.  Durable at once, as an entry
        that comes back from the dead would speak of records that are gone."""
        kept = [entry for entry in self.entries if entry[1] < end_offset]
        if len(kept) < len(self.entries):
            self._set(kept)
            self.make_durable()

    def truncate_from_start(self, start_offset: int) -> None:
        """The log begins at `start_offset` now: of what ended before, nothing is known."""
        place = bisect_right(self.entries, start_offset, key=lambda entry: entry[1])
        if place and self.entries[place - 1][1] < start_offset:
            self._set([(self.entries[place - 1][0], start_offset), *self.entries[place:]])
            self.write()

    def clear(self) -> None:
        self._set([])
        self.make_durable()

    def _set(self, entries: list[tuple[int, int]]) -> None:
        self.entries = entries
        self.latest = entries[-1][0] if entries else UNKNOWN

    def write(self) -> None:
        """Bring the file up to date; a thousand partitions may change hands at once, so nothing is awaited here."""
        self.dirty = True
        aside = self.path + ".new"
        file = self._disk.open(aside, "w")
        try:
            file.append(encode(self.entries))
        finally:
            file.close()
        self._disk.rename(aside, self.path)

    async def flush(self) -> None:
        """Make the file durable, except for its name: that is for the owner's fsync of the folder."""
        self._flushes += 1
        entries, aside = self.entries, f"{self.path}.{self._flushes}.new"
        file = self._disk.open(aside, "w")
        try:
            file.append(encode(entries))
            await file.fsync()
        finally:
            file.close()
        if entries == self.entries:
            self._disk.rename(aside, self.path)
            self.dirty = False
        else:  # somebody has written newer ones meanwhile: the next flush takes those
            self._disk.unlink(aside)

    def make_durable(self) -> None:
        replace_file(self._disk, self.path, encode(self.entries))
        self.dirty = False


def encode(entries: list[tuple[int, int]]) -> bytes:
    lines = ["0", str(len(entries)), *(f"{epoch} {start}" for epoch, start in entries)]
    return "".join(f"{line}\n" for line in lines).encode()


def decode(content: bytes) -> list[tuple[int, int]]:
    """The entries in a file.  Raises ValueError for anything but a whole file of version 0."""
    lines = content.decode("ascii").split("\n")
    if len(lines) < 3 or lines[0] != "0" or lines.pop() != "" or len(lines) != int(lines[1]) + 2:
        raise ValueError(f"no leader epochs: {content[:100]!r}")
    entries = []
    for line in lines[2:]:
        epoch, start = line.split(" ")
        entries.append((int(epoch), int(start)))
    return entries
