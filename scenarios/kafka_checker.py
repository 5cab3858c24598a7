"""What clients were promised, and whether the logs keep it.

    acknowledged   each record that was answered with an offset stands at that offset, in every replica
    order          of one producer's records in a partition, the first copies come in the order they were sent
    once           of an idempotent producer's records there is exactly one copy, and no gap in its sequence numbers
    nothing else   a record that nobody sent is in no log
    read           what a consumer was given at an offset stands there at the end: it was committed, so it cannot go
    watermark      within one leader epoch, and from one to the next, the end that consumers are told never goes back
    groups         an offset that was committed is the one that is found, by whoever coordinates then
    identical      the logs of all replicas are the same, byte for byte

Some of it is known the moment it happens and is told at once; the rest when the logs are read at the end.

Source: Kafka's documentation, "Message Delivery Semantics"; KIP-98; KIP-101; KIP-207.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from scenarios.kafka_wire import Stored, records_of


class Violated(AssertionError):
    """A promise was broken; the text names it."""


@dataclass
class Commits:
    """What one consumer has committed for a partition, one commit at a time.

    known      the last that was answered; -1 before
    uncertain  those without an answer: a broker that stood still may carry one out much later
    """

    known: int = -1
    uncertain: set[int] = field(default_factory=set)

    def verify(self, who: str, found: int) -> None:
        """A group goes on from what it has committed.  Raises Violated."""
        if found != self.known and found not in self.uncertain:
            raise Violated(f"{who} had committed {self.known}, and is told {found}: the commit is lost")


@dataclass
class Sent:
    """All that one producer has sent to its partition: value of each record, and the offset that it was told."""

    name: str
    partition: int
    idempotent: bool
    ordered: bool = True
    """Whether its client sends again, in order, before it sends what is new; only then the order is the brokers' to keep."""
    values: list[bytes] = field(default_factory=list)
    offsets: dict[int, int] = field(default_factory=dict)
    """Of each acknowledged record, by its number; -1 where the broker only said that it has it already."""


class History:
    """What every client saw."""

    def __init__(self) -> None:
        self.producers: list[Sent] = []
        self.read: dict[int, dict[int, bytes]] = {}  # partition -> offset -> value
        self.ends: dict[int, tuple[int, int]] = {}  # partition -> leader epoch, the end it told

    def producer(self, name: str, partition: int, idempotent: bool) -> Sent:
        sent = Sent(name, partition, idempotent)
        self.producers.append(sent)
        return sent

    def was_read(self, partition: int, record: Stored) -> None:
        """A consumer was given it.  Raises Violated when one was given another there before."""
        before = self.read.setdefault(partition, {}).setdefault(record.offset, record.value)
        if before != record.value:
            raise Violated(
                f"partition {partition} gave {before!r} at offset {record.offset}, and later {record.value!r}: "
                "a committed record was replaced"
            )

    def was_told_end(self, partition: int, epoch: int, end: int, by: int, before: tuple[int, int]) -> None:
        """Broker `by`, leading in `epoch`, says that consumers may read up to `end`; `before` is what was known of it
        when it was asked.  Raises Violated when it says less."""
        known_epoch, known_end = before
        if end < known_end and epoch >= known_epoch:
            raise Violated(
                f"broker {by}, leader of partition {partition} in epoch {epoch}, says that it ends at {end}, "
                f"after {known_end} had been told in epoch {known_epoch}: the watermark went back"
            )
        self.ends[partition] = max(self.known_end(partition), (epoch, end))

    def known_end(self, partition: int) -> tuple[int, int]:
        """The newest leader epoch in which an end was told, and that end."""
        return self.ends.get(partition, (-1, -1))

    def verify(self, logs: dict[int, dict[int, bytes]]) -> None:
        """`logs` is partition -> broker -> the bytes of its log.  Raises Violated."""
        for partition, replicas in logs.items():
            brokers = sorted(replicas)
            stored = {broker: _contents(partition, broker, replicas[broker]) for broker in brokers}
            for broker in brokers[1:]:
                if replicas[broker] != replicas[brokers[0]]:
                    raise Violated(_difference(partition, brokers[0], broker, stored))
            self._verify_partition(partition, stored[brokers[0]])

    def _verify_partition(self, partition: int, log: list[Stored]) -> None:
        at = {record.offset: record for record in log}
        for offset, value in self.read.get(partition, {}).items():
            found = at.get(offset)
            if found is None or found.value != value:
                raise Violated(
                    f"partition {partition}: a consumer read {value!r} at offset {offset}, where there is "
                    f"{'nothing' if found is None else repr(found.value)}: a committed record is lost"
                )
        places: dict[bytes, list[int]] = {}
        for record in log:
            places.setdefault(record.value, []).append(record.offset)
        for sent in self.producers:
            if sent.partition == partition:
                _verify_producer(sent, at, places)
                for value in sent.values:
                    places.pop(value, None)
        if places:
            raise Violated(f"partition {partition} holds records that nobody sent: {sorted(places.items())[:3]}")


def _contents(partition: int, broker: int, data: bytes) -> list[Stored]:
    try:
        stored = list(records_of(data))
    except ValueError as error:
        raise Violated(f"partition {partition} on broker {broker}: {error}") from None
    for before, after in zip(stored, stored[1:], strict=False):
        if after.offset <= before.offset:
            raise Violated(
                f"partition {partition} on broker {broker}: offset {after.offset} comes after {before.offset}"
            )
    return stored


def _verify_producer(sent: Sent, at: dict[int, Stored], places: dict[bytes, list[int]]) -> None:
    where = f"partition {sent.partition}, producer {sent.name}"
    last_first = -1
    for number, value in enumerate(sent.values):
        found = places.get(value)
        told = sent.offsets.get(number)
        if not found:
            if told is not None:
                raise Violated(f"{where}: {value!r}, acknowledged at offset {told}, is lost")
            continue
        if told is not None and told >= 0 and at[told].value != value if told in at else (told or -1) >= 0:
            raise Violated(f"{where}: {value!r}, acknowledged at offset {told}, stands at {found}")
        if sent.idempotent and len(found) > 1:
            raise Violated(f"{where} is idempotent, yet {value!r} stands at {found}: duplicated")
        if sent.ordered and found[0] < last_first:
            raise Violated(f"{where}: {value!r} at {found[0]} comes before what was sent earlier: reordered")
        last_first = found[0]


def _difference(partition: int, one: int, other: int, stored: dict[int, list[Stored]]) -> str:
    head = f"partition {partition} is not the same on brokers {one} and {other}: "
    for left, right in zip(stored[one], stored[other], strict=False):
        if left != right:
            return f"{head}{left} and {right}"
    return f"{head}{len(stored[one])} and {len(stored[other])} records"
