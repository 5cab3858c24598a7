"""Offsets by time: where a partition begins and ends, and which record was the first at or after a moment.

Source: KIP-79 (ListOffsets by time), KIP-734 (the largest timestamp).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from minikafka.client.cluster import Cluster
from minikafka.wire.errors import KafkaError, error_named
from minikafka.wire.messages.fetch import ListOffsetsRequest, ListOffsetsResponse

Place = tuple[str, int]
"""A topic and one of its partitions."""

LATEST, EARLIEST, MAX_TIMESTAMP = -1, -2, -3
"""What may be asked for instead of a time."""


class Found(NamedTuple):
    """offset: -1 when no record is that young.  timestamp_ms: of the record, -1 for an end of the log."""

    offset: int
    timestamp_ms: int


async def find_offsets(
    cluster: Cluster, wanted: Mapping[Place, int], read_committed: bool = False
) -> dict[Place, Found]:
    """For each partition the offset for a time in ms, or for LATEST, EARLIEST or MAX_TIMESTAMP.

    read_committed  the end is the last stable offset then

    Raises KafkaError when the last attempt of the cluster's `timeouts.total` failed.
    """
    found: dict[Place, Found] = {}

    async def attempt() -> dict[Place, Found]:
        by_leader: dict[int, list[Place]] = {}
        try:
            for place in wanted:
                if place not in found:
                    by_leader.setdefault(cluster.leader(*place), []).append(place)
            for leader, places in by_leader.items():
                answer = await cluster.ask(leader, _request({place: wanted[place] for place in places}, read_committed))
                found.update(_read(answer))
        except KafkaError as error:
            if error.code.refreshes_metadata:
                await cluster.refresh(sorted({topic for topic, _ in wanted}))
            raise
        return found

    return await cluster.retrying(attempt)


def _request(wanted: Mapping[Place, int], read_committed: bool) -> ListOffsetsRequest:
    topics: dict[str, list[ListOffsetsRequest.Topic.Partition]] = {}
    for (topic, partition), timestamp in wanted.items():
        topics.setdefault(topic, []).append(
            ListOffsetsRequest.Topic.Partition(partition_index=partition, timestamp=timestamp)
        )
    return ListOffsetsRequest(
        replica_id=-1,
        isolation_level=int(read_committed),
        topics=[ListOffsetsRequest.Topic(name=name, partitions=parts) for name, parts in topics.items()],
        timeout_ms=30_000,
    )


def _read(answer: ListOffsetsResponse) -> dict[Place, Found]:
    found = {}
    for topic in answer.topics:
        for each in topic.partitions:
            if each.error_code:
                raise KafkaError(error_named(each.error_code))
            found[topic.name, each.partition_index] = Found(each.offset, each.timestamp)
    return found
