"""How far each group has read: committed, fetched, forgotten.

    group -> (topic, partition) -> the value of its record in __consumer_offsets, as bytes

An offset is kept as it is written: it is read back once in a consumer's life, and a million of them are a million short
byte strings.  Nothing is put in here before it is committed.

Offsets live apart from membership: whether one may be committed is asked of the group, and a group may have nothing else
(of consumers that assign themselves; tools call such a group Empty).

Source: Kafka `OffsetMetadataManager.java`; KIP-211 (what expires when), KIP-496 (OffsetDelete), KIP-709.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from minikafka.groups.group import EMPTY, Group
from minikafka.groups.group_records import group_tombstone, offset_record, offset_tombstone
from minikafka.groups.membership import Membership, answer_for
from minikafka.records.coordinator import OffsetCommitValue, decode_versioned
from minikafka.records.record import Record
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.offsets import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetFetchRequest,
    OffsetFetchResponse,
)

Place = tuple[str, int]
"""Topic and partition."""

GROUP_NOT_FOUND_SINCE = 9  # of OffsetCommit
NOTHING = -1
SLICE = 500
"""Offsets looked at before others get a turn."""

FetchedGroup = OffsetFetchResponse.Group
FetchedTopic = OffsetFetchResponse.Group.Topic
FetchedPartition = OffsetFetchResponse.Group.Topic.Partition


def read_value(value: bytes) -> OffsetCommitValue:
    return decode_versioned(OffsetCommitValue, value)


class Offsets:
    """The offsets of all groups of one coordinator."""

    def __init__(self, membership: Membership) -> None:
        self.membership = membership
        self.by_group: dict[str, dict[Place, bytes]] = {}
        self.in_flight: Counter[str] = Counter()  # group -> commits on their way

    # -- commit -------------------------------------------------------------------------------------------------------

    def commit(
        self,
        request: OffsetCommitRequest,
        version: int,
        exists: Callable[[str, int], bool],
        reply: Callable[[OffsetCommitResponse], None],
    ) -> None:
        """Keep offsets; answered when they are committed.

        exists   whether there is such a partition in the cluster
        """
        answers = CommitAnswers()
        known = []
        for topic in request.topics:
            for partition in topic.partitions:
                if exists(topic.name, partition.partition_index):
                    known.append((topic.name, partition))
                else:
                    answers.add(topic.name, partition.partition_index, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        written: list[OffsetCommitResponse.Topic.Partition] = []
        records: list[Record] = []
        places: list[Place] = []
        error = self._refusal(request, version) if known else ErrorCode.NONE
        for name, partition in known:
            index = partition.partition_index
            if error is not ErrorCode.NONE:
                answers.add(name, index, error)
            elif self._too_long(partition.committed_metadata):
                answers.add(name, index, ErrorCode.OFFSET_METADATA_TOO_LARGE)
            else:
                written.append(answers.add(name, index, ErrorCode.NONE))
                places.append((name, index))
                records.append(offset_record(request.group_id, name, index, self._value(request, partition)))
        response = answers.response()
        if not records:
            reply(response)
            return
        group_id = request.group_id
        self.in_flight[group_id] += 1

        def ended(committed: bool) -> None:
            self.in_flight[group_id] -= 1
            if not self.in_flight[group_id]:
                del self.in_flight[group_id]
            if committed:
                self.keep(group_id, zip(places, (record.value for record in records), strict=True))

        def settled(error: ErrorCode) -> None:
            for answer in written:
                answer.error_code = answer_for(error)
            reply(response)

        self.membership.writes.add(records, self.membership.now.now_ms, settled, ended)

    def _refusal(self, request: OffsetCommitRequest, version: int) -> ErrorCode:
        """Why these offsets may not be committed; a commit of a member is a sign of life."""
        generation = request.generation_id_or_member_epoch
        group = self.membership.groups.get(request.group_id)
        if group is None:
            if generation < 0:
                return ErrorCode.NONE
            return ErrorCode.GROUP_ID_NOT_FOUND if version >= GROUP_NOT_FOUND_SINCE else ErrorCode.ILLEGAL_GENERATION
        try:
            member = group.check_commit(request.member_id, request.group_instance_id, generation)
        except KafkaError as error:
            return error.code
        if member is not None:
            self.membership.keep_alive(group, member)
        return ErrorCode.NONE

    def _too_long(self, text: str | None) -> bool:
        most = self.membership.settings.offset_metadata_bytes_max
        return text is not None and len(text) * 2 > most and len(text.encode("utf-16-be")) // 2 > most

    def _value(self, request: OffsetCommitRequest, partition: OffsetCommitRequest.Topic.Partition) -> OffsetCommitValue:
        wall_ms, retention_ms = self.membership.now.wall_ms, request.retention_time_ms
        return OffsetCommitValue(
            offset=partition.committed_offset,
            leader_epoch=partition.committed_leader_epoch,
            metadata=partition.committed_metadata or "",
            commit_timestamp=wall_ms,
            expire_timestamp=-1 if retention_ms == -1 else wall_ms + retention_ms,
        )

    def keep(self, group_id: str, offsets: Iterable[tuple[Place, bytes | None]]) -> None:
        """They are committed (None: gone).  A group that is not known yet has offsets alone."""
        kept = self.by_group.setdefault(group_id, {})
        for place, value in offsets:
            if value is None:
                kept.pop(place, None)
            else:
                kept[place] = value
        if not kept:
            del self.by_group[group_id]
        elif group_id not in self.membership.groups:
            self.membership.groups[group_id] = Group(group_id, self.membership.now.wall_ms)

    # -- fetch --------------------------------------------------------------------------------------------------------

    def fetch(
        self, asked: OffsetFetchRequest.Group, require_stable: bool, reply: Callable[[FetchedGroup], None]
    ) -> None:
        """The committed offsets; -1 where there is none.

        require_stable   as of all commits that have been asked for before: answered when these are committed
        """
        if not require_stable:
            reply(self._fetched(asked))
            return

        def settled(error: ErrorCode) -> None:
            if error is ErrorCode.NONE:
                reply(self._fetched(asked))
            else:
                reply(FetchedGroup(group_id=asked.group_id, error_code=answer_for(error)))

        self.membership.writes.add([], self.membership.now.now_ms, settled)

    def _fetched(self, asked: OffsetFetchRequest.Group) -> FetchedGroup:
        kept = self.by_group.get(asked.group_id, {})
        topics: dict[str, FetchedTopic] = {}
        if asked.topics is None:
            places: Iterable[Place] = kept
        else:
            places = ((topic.name, index) for topic in asked.topics for index in topic.partition_indexes)
            topics = {topic.name: FetchedTopic(name=topic.name) for topic in asked.topics}
        for name, index in places:
            topic = topics.get(name)
            if topic is None:
                topic = topics[name] = FetchedTopic(name=name)
            topic.partitions.append(fetched_partition(index, kept.get((name, index))))
        return FetchedGroup(group_id=asked.group_id, topics=list(topics.values()))

    # -- forget -------------------------------------------------------------------------------------------------------

    def delete(
        self,
        request: OffsetDeleteRequest,
        exists: Callable[[str, int], bool],
        reply: Callable[[OffsetDeleteResponse], None],
    ) -> None:
        """OffsetDelete: of topics that the group does not read.  Answered when it is committed."""
        group_id = request.group_id
        try:
            group = self.membership.group(group_id, ErrorCode.GROUP_ID_NOT_FOUND)
            group.check_delete_offsets()
        except KafkaError as error:
            reply(OffsetDeleteResponse(error_code=error.code))
            return
        kept = self.by_group.get(group_id, {})
        gone: list[Place] = []
        topics = []
        for topic in request.topics:
            unknown, known = [], []
            for each in topic.partitions:
                answer = OffsetDeleteResponse.Topic.Partition(partition_index=each.partition_index)
                if not exists(topic.name, each.partition_index):
                    answer.error_code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
                    unknown.append(answer)
                    continue
                known.append(answer)
                if group.subscribes_to(topic.name):
                    answer.error_code = ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
                elif (topic.name, each.partition_index) in kept or group_id in self.in_flight:
                    gone.append((topic.name, each.partition_index))
            topics.append(OffsetDeleteResponse.Topic(name=topic.name, partitions=unknown + known))
        self._forget(
            group_id,
            gone,
            lambda error: reply(
                OffsetDeleteResponse(error_code=ErrorCode.NONE, topics=topics)
                if error is ErrorCode.NONE
                else OffsetDeleteResponse(error_code=answer_for(error))
            ),
        )

    def _forget(self, group_id: str, places: list[Place], settled: Callable[[ErrorCode], None]) -> None:
        def ended(committed: bool) -> None:
            if committed:
                self.keep(group_id, ((place, None) for place in places))

        records = [offset_tombstone(group_id, *place) for place in places]
        self.membership.writes.add(records, self.membership.now.now_ms, settled, ended)

    def tombstones(self, group_id: str) -> list[Record]:
        """The end of a group: of all its offsets, and itself."""
        places = self.by_group.get(group_id, ())
        return [*(offset_tombstone(group_id, *place) for place in places), group_tombstone(group_id)]

    def drop(self, group_id: str, offsets: Iterable[Place]) -> None:
        """These are gone."""
        self.keep(group_id, ((place, None) for place in offsets))

    def topic_deleted(self, topic: str) -> Iterator[None]:
        """Forget every group's offsets in it; yields now and then."""
        for group_id in list(self.by_group):
            places = [place for place in self.by_group.get(group_id, ()) if place[0] == topic]
            if places:
                self._forget(group_id, places, lambda error: None)
            yield

    def expire(self) -> Iterator[None]:
        """Forget what nobody has used for the retention time, and groups of which nothing is left; yields now and then.

        A group with commits on their way is in use.
        """
        groups = self.membership.groups
        for group_id in list(groups):
            group = groups.get(group_id)
            if group is None or group_id in self.in_flight:
                continue
            yield from self._expire_group(group)

    def _expire_group(self, group: Group) -> Iterator[None]:
        group_id, wall_ms = group.group_id, self.membership.now.wall_ms
        expired: list[tuple[Place, bytes]] = []
        kept = self.by_group.get(group_id, {})
        for count, (place, value) in enumerate(list(kept.items()), 1):
            if not group.subscribes_to(place[0]) and self._has_expired(group, value, wall_ms):
                expired.append((place, value))
            if count % SLICE == 0:
                yield
        yield
        if group_id in self.in_flight or self.membership.groups.get(group_id) is not group:
            return  # somebody is there after all
        kept = self.by_group.get(group_id, {})
        places = [place for place, value in expired if kept.get(place) == value]
        if len(places) == len(kept) and group.state is EMPTY and not group.pending_members:
            self.delete_group(group, lambda error: None)
        elif places:
            self._forget(group_id, places, lambda error: None)

    def _has_expired(self, group: Group, value: bytes, wall_ms: int) -> bool:
        offset = read_value(value)
        since_ms = group.expiry_base(offset.commit_timestamp)
        if since_ms is None:
            return False
        if offset.expire_timestamp >= 0:
            return wall_ms >= offset.expire_timestamp
        return wall_ms - since_ms >= self.membership.settings.offsets_retention_ms

    def delete_group(self, group: Group, settled: Callable[[ErrorCode], None]) -> None:
        """Write that it is gone, with all its offsets; gone it is when that is committed.

        Whoever joins until then makes it live on, without what it had.
        """
        group_id, places = group.group_id, list(self.by_group.get(group.group_id, ()))
        generation = group.generation

        def ended(committed: bool) -> None:
            if not committed:
                return
            self.drop(group_id, places)
            unused = group.state is EMPTY and group.generation == generation and not group.pending_members
            if unused and group_id not in self.by_group and self.membership.groups.get(group_id) is group:
                self.membership.bury(group)

        self.membership.writes.add(self.tombstones(group_id), self.membership.now.now_ms, settled, ended)


def fetched_partition(index: int, value: bytes | None) -> FetchedPartition:
    if value is None:
        return FetchedPartition(partition_index=index, committed_offset=NOTHING, metadata="")
    offset = read_value(value)
    return FetchedPartition(
        partition_index=index,
        committed_offset=offset.offset,
        committed_leader_epoch=offset.leader_epoch,
        metadata=offset.metadata,
    )


class CommitAnswers:
    """An answer to OffsetCommit, partition by partition, topics in the order they came."""

    def __init__(self) -> None:
        self._topics: dict[str, OffsetCommitResponse.Topic] = {}

    def add(self, topic: str, partition: int, error: ErrorCode) -> OffsetCommitResponse.Topic.Partition:
        answer = OffsetCommitResponse.Topic.Partition(partition_index=partition, error_code=error)
        if topic not in self._topics:
            self._topics[topic] = OffsetCommitResponse.Topic(name=topic, partitions=[])
        self._topics[topic].partitions.append(answer)
        return answer

    def response(self) -> OffsetCommitResponse:
        return OffsetCommitResponse(topics=list(self._topics.values()))
