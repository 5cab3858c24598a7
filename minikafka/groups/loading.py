"""A partition of __consumer_offsets, read from its start: what the coordinator before us had promised.

The last record of a key is what holds; a key without a value is gone.  So records are put under their keys as bytes, and
only groups that are left at the end are decoded.  Kinds of keys that are not known, of newer brokers and of the newer
group protocol, are passed over.

It reads in slices: a million commits take some seconds, and others want their turn.

Source: Kafka `CoordinatorLoaderImpl`, `GroupCoordinatorShard.replay`.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from struct import error as StructError

from minikafka.groups.group import Group
from minikafka.groups.group_records import group_from
from minikafka.groups.offsets import Place
from minikafka.records.batch import Buffer, read_records, walk
from minikafka.records.coordinator import GroupMetadataValue, decode_versioned
from minikafka.wire.types import WireError

SLICE = 500
"""Records after which others get a turn: some milliseconds."""
LEGACY_OFFSET, OFFSET, GROUP = 0, 1, 2
TYPE_AND_LENGTH = Struct(">hh")
LENGTH = Struct(">h")
PARTITION = Struct(">i")


class Loading:
    """What has been read so far."""

    def __init__(self) -> None:
        self.offsets: dict[str, dict[Place, bytes]] = {}
        self.groups: dict[str, bytes] = {}
        self.records = 0
        self.skipped = 0

    def feed(self, data: Buffer) -> Iterator[None]:
        """Some whole batches, in the order of the log; yields now and then.

        Control batches say nothing of groups.  Raises BadBatch.
        """
        for position, batch in walk(data):
            if batch.is_control:
                continue
            for record in read_records(data, position):
                if record.key is not None:
                    self._replay(record.key, record.value)
                self.records += 1
                if self.records % SLICE == 0:
                    yield

    def _replay(self, key: bytes, value: bytes | None) -> None:
        try:
            kind, length = TYPE_AND_LENGTH.unpack_from(key)
            end = 4 + length
            group_id = key[4:end].decode()
            if kind in (OFFSET, LEGACY_OFFSET):
                start = end + 2
                end = start + LENGTH.unpack_from(key, end)[0]
                place = key[start:end].decode(), PARTITION.unpack_from(key, end)[0]
            elif kind != GROUP:
                self.skipped += 1
                return
        except (ValueError, StructError):
            self.skipped += 1
            return
        if kind == GROUP:
            if value is None:
                self.groups.pop(group_id, None)
            else:
                self.groups[group_id] = value
        elif value is not None:
            self.offsets.setdefault(group_id, {})[place] = value
        elif group_id in self.offsets:
            self.offsets[group_id].pop(place, None)

    def finish(self, wall_ms: int) -> Iterator[Group | None]:
        """The groups that are left, each with its last generation; None now and then."""
        for group_id in [group_id for group_id, kept in self.offsets.items() if not kept]:
            del self.offsets[group_id]
        yield None
        for group_id, value in self.groups.items():
            try:
                yield group_from(group_id, decode_versioned(GroupMetadataValue, value))
            except WireError:
                self.skipped += 1
        for count, group_id in enumerate(self.offsets, 1):
            if group_id not in self.groups:
                yield Group(group_id, wall_ms)
            if count % SLICE == 0:
                yield None
