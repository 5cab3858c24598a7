"""What must be true of a Kafka cluster at every moment, read from the nodes' own memory while they run.

    one leader     of a partition in a leader epoch no more than one broker ever leads
    one registrar  of a leader epoch the controllers name one leader only, and epochs only rise
    in sync        whoever the controller counts as in sync has every record that was ever committed: below the highest
                   watermark that any leader of the partition has had
    watermark      a leader's never sinks within its epoch, and never passes the end of its own log

Clients see the loss that follows from breaking one of these only sometimes, and later; here it is told on the spot.
Nothing is changed by looking.

Source: KIP-966 (what it means to be in the ISR), KIP-101.
"""

from __future__ import annotations

from collections.abc import Mapping

from minikafka.controller.image import MetadataImage
from minikafka.node import Node
from minikafka.replication.partition import Partition

Key = tuple[bytes, int]


class InvariantViolated(AssertionError):
    """One does not hold; the text names it."""


class Invariants:
    """Of one cluster, over its whole life."""

    def __init__(self) -> None:
        self._leaders: dict[tuple[Key, int], int] = {}  # partition and epoch -> who leads, as it believes itself
        self._named: dict[tuple[Key, int], int] = {}  # the same, as the controllers committed it
        self._epochs: dict[Key, int] = {}
        self._watermarks: dict[tuple[Key, int, bytes], int] = {}  # partition, epoch, life of the broker
        self._committed: dict[Key, int] = {}
        self._offset = -1

    def look(self, nodes: Mapping[int, Node]) -> None:
        """At all nodes that run.  Raises InvariantViolated."""
        brokers = {number: node for number, node in nodes.items() if node.broker is not None}
        for number, node in brokers.items():
            assert node.broker is not None
            for key, partition in node.broker.partitions.items():
                if partition.leading:
                    self._look_at_leader(number, node, key, partition)
        image = newest_image(nodes)
        if image is not None and image.offset >= self._offset:  # after a restart a controller knows less for a while
            self._offset = image.offset
            self._look_at_image(image, brokers)

    def _look_at_leader(self, number: int, node: Node, key: Key, partition: Partition) -> None:
        epoch, watermark = partition.leader_epoch, partition.log.high_watermark
        first = self._leaders.setdefault((key, epoch), number)
        if first != number:
            raise InvariantViolated(f"one leader: brokers {first} and {number} lead {partition} in the same epoch")
        if watermark > partition.log.log_end_offset:
            raise InvariantViolated(f"watermark: {partition} on broker {number} ends at {partition.log.log_end_offset}")
        life = (key, epoch, node.incarnation)
        if watermark < self._watermarks.get(life, 0):
            raise InvariantViolated(f"watermark: {partition} on broker {number} had {self._watermarks[life]} before")
        self._watermarks[life] = watermark
        self._committed[key] = max(self._committed.get(key, 0), watermark)

    def _look_at_image(self, image: MetadataImage, brokers: Mapping[int, Node]) -> None:
        for topic, index, registration in image.partitions():
            key = topic.id, index
            epoch = registration.leader_epoch
            if epoch < self._epochs.get(key, 0):
                raise InvariantViolated(
                    f"one registrar: epoch {epoch} of {topic.name}-{index} after {self._epochs[key]}"
                )
            self._epochs[key] = epoch
            named = self._named.setdefault((key, epoch), registration.leader)
            if named != registration.leader:
                raise InvariantViolated(
                    f"one registrar: {named} and {registration.leader} lead {topic.name}-{index} in epoch {epoch}"
                )
            if any(
                node.broker.partitions[key].partition_epoch > registration.partition_epoch
                for node in brokers.values()
                if node.broker is not None and key in node.broker.partitions
            ):
                continue  # a controller told a broker of a later set, and died before another had applied it
            for member in registration.isr:
                node, registered = brokers.get(member), image.brokers.get(member)
                if node is None or node.lifecycle is None or node.broker is None or registered is None:
                    continue
                if node.lifecycle.epoch != registered.epoch:
                    continue  # another life of it than the one that is counted
                partition = node.broker.partitions.get(key)
                if partition is not None and partition.log.log_end_offset < self._committed.get(key, 0):
                    raise InvariantViolated(
                        f"in sync: broker {member} has {topic.name}-{index} up to {partition.log.log_end_offset}, "
                        f"{self._committed[key]} is committed; the ISR is {registration.isr}, epoch {epoch}"
                    )


def newest_image(nodes: Mapping[int, Node]) -> MetadataImage | None:
    """What has been committed, as far as any controller knows."""
    images = [node.quorum.image for node in nodes.values() if node.quorum is not None]
    return max(images, key=lambda image: image.offset, default=None)
