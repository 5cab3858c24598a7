"""Fetch, ListOffsets, OffsetForLeaderEpoch: what is read of a log, and what is said of it."""

import time

from minikafka.records.record import Record
from minikafka.wire.messages.fetch import FetchRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest
from tests.golden.batches import TIME_MS, batch, produce, records_of
from tests.golden.play import Connection, Stage, Theme

theme = Theme("fetch", "Fetch, ListOffsets and OffsetForLeaderEpoch on one broker", ("log.retention.ms=-1",))

NOBODY = bytes(15) + b"\7"


def fetch(
    topic: str | bytes,
    *offsets: int,
    max_bytes: int = 1 << 20,
    part_bytes: int = 1 << 20,
    epoch: int = -1,
    last_epoch: int = -1,
    **settings: int,
) -> FetchRequest:
    """A request for partitions 0, 1 ... of a topic from these offsets; its id as bytes from version 13 on."""
    Topic = FetchRequest.Topic
    partitions = [
        Topic.Partition(
            partition=index,
            fetch_offset=offset,
            partition_max_bytes=part_bytes,
            current_leader_epoch=epoch,
            last_fetched_epoch=last_epoch,
        )
        for index, offset in enumerate(offsets)
    ]
    where = {"topic": topic} if isinstance(topic, str) else {"topic_id": topic}
    return FetchRequest(max_bytes=max_bytes, topics=[Topic(**where, partitions=partitions)], **settings)


def filled(stage: Stage, suffix: str = "", partitions: int = 1) -> str:
    """A topic with offsets 0 to 5 in three batches, in each partition."""
    topic = stage.topic(suffix, partitions)
    for values in (("0", "1"), ("2",), ("3", "4", "5")):
        stage.backstage().ask(
            produce(topic, *[batch(*values, time_ms=TIME_MS + 1000 * int(values[0]))] * partitions), 9
        )
    return topic


@theme.story_by_version("Fetch")
def from_offsets(stage: Stage, version: int) -> None:
    """From the middle of a batch comes the whole batch; from the end nothing; beyond it OFFSET_OUT_OF_RANGE."""
    a = stage.connect()
    topic = filled(stage)
    where = stage.topic_id(topic) if version >= 13 else topic
    for offset in (0, 1, 4, 6, 7, -1):
        a.ask(fetch(where, offset), version)


@theme.story_by_version("Fetch")
def unknown_places(stage: Stage, version: int) -> None:
    """A partition and a topic that are not there."""
    a = stage.connect()
    topic = filled(stage)
    where = stage.topic_id(topic) if version >= 13 else topic
    a.ask(fetch(where, 0, 0), version)
    a.ask(fetch(NOBODY if version >= 13 else "nobody-made-it", 0), version)


@theme.story_by_version("Fetch", (4, 7, 12, 16))
def limits_of_bytes(stage: Stage, version: int) -> None:
    """The first batch always comes, however small the limits; after it whole batches while they fit, then a cut one."""
    a = stage.connect()
    topic = filled(stage, partitions=2)
    where = stage.topic_id(topic) if version >= 13 else topic
    for max_bytes, part_bytes in [(1, 1), (1 << 20, 100), (1 << 20, 150), (100, 1 << 20), (0, 0), (300, 1 << 20)]:
        a.ask(fetch(where, 0, 0, max_bytes=max_bytes, part_bytes=part_bytes), version)


@theme.story
def waiting_for_bytes(stage: Stage) -> None:
    """With min_bytes above what is there the answer waits: for the time asked, or for a producer."""
    a, b = stage.connect("a"), stage.connect("b")
    topic = filled(stage)
    a.ask(fetch(topic, 6, min_bytes=1, max_wait_ms=50), 12)
    held = a.send(fetch(topic, 6, min_bytes=1, max_wait_ms=10000), 12)
    b.ask(produce(topic, batch("6")), 9)
    held.answer()
    held = a.send(fetch(topic, 7, min_bytes=200, max_wait_ms=10000), 12)
    for value in "789":
        b.ask(produce(topic, batch(value)), 9)
    answer = held.answer()
    assert len(answer.responses[0].partitions[0].records) >= 200


@theme.story
def errors_do_not_wait(stage: Stage) -> None:
    """Where a log cannot be read from an offset the answer comes at once; a partition that is not known does not
    shorten the wait for the others."""
    a = stage.connect()
    topic = filled(stage)
    a.ask(fetch(topic, 6, 0, min_bytes=1, max_wait_ms=100), 12)
    began = time.monotonic()
    a.ask(fetch(topic, 7, min_bytes=1, max_wait_ms=10000), 12)
    a.ask(fetch(topic, 6, min_bytes=1, max_wait_ms=10000, epoch=1), 12)
    a.ask(fetch("nobody-made-it", 6, min_bytes=1, max_wait_ms=10000), 12)
    assert time.monotonic() - began < 5


@theme.story
def behind_a_waiting_fetch(stage: Stage) -> None:
    """Answers of a connection keep the order of its questions, so a waiting fetch holds up the next one."""
    a = stage.connect()
    topic = filled(stage)
    held = [a.send(fetch(topic, 6, min_bytes=1, max_wait_ms=200), 12), a.send(fetch(topic, 0), 12)]
    for question in held:
        question.answer()


@theme.story
def isolation(stage: Stage) -> None:
    """Reading committed records only: the list of aborted transactions is there, and empty."""
    a = stage.connect()
    topic = filled(stage)
    for version in (4, 12):
        a.ask(fetch(topic, 0, isolation_level=1), version)
        a.ask(fetch(topic, 6, isolation_level=1), version)
    a.ask(fetch(topic, 0, isolation_level=2), 12)


@theme.story
def isolation_of_no_such_level(stage: Stage) -> None:
    """Refused as a whole, unless no partition is known; a session goes on."""
    a = stage.connect()
    topic = filled(stage)
    a.ask(fetch(topic, 0, isolation_level=2), 4)
    a.ask(fetch(stage.topic_id(topic), 0, isolation_level=2), 13)
    a.ask(fetch("nobody-made-it", 0, isolation_level=2), 12)
    a.ask(fetch(topic, 0, isolation_level=2, session_id=0, session_epoch=0), 12)
    session = a.ask(fetch(topic, 6, session_id=0, session_epoch=0), 12).session_id
    a.ask(FetchRequest(session_id=session, session_epoch=1, isolation_level=2), 12)
    a.ask(FetchRequest(session_id=session, session_epoch=2), 12)


@theme.story
def leader_epochs(stage: Stage) -> None:
    """Asked with an epoch the leader must have just that: an older one is FENCED, a newer one UNKNOWN."""
    a = stage.connect()
    topic = filled(stage)
    for version in (9, 12):
        for epoch in (0, 1, -1, -2):
            a.ask(fetch(topic, 0, epoch=epoch), version)


@theme.story
def last_fetched_epochs(stage: Stage) -> None:
    """Version 12 says which epoch the reader's log ends in: if that is not so here, the answer tells where they part."""
    a = stage.connect()
    topic = filled(stage)
    for offset, last_epoch in [(3, 0), (6, 0), (3, 1), (8, 0), (8, 1), (-1, 0), (0, -2)]:
        a.ask(fetch(topic, offset, last_epoch=last_epoch), 12)


@theme.story
def no_codec_before_its_time(stage: Stage) -> None:
    """zstd goes only to those who ask in version 10 or later."""
    a = stage.connect()
    topic = stage.topic()
    stage.backstage().ask(produce(topic, batch("plain")), 9)
    stage.backstage().ask(produce(topic, batch("packed", codec=4)), 9)
    for version in (4, 9, 10):
        a.ask(fetch(topic, 0), version)
    stated = stage.topic("-stated", compression_type="zstd")
    stage.backstage().ask(produce(stated, batch("packed")), 9)
    for version in (4, 9):
        a.ask(fetch(stated, 0), version)


@theme.story
def the_same_partition_twice(stage: Stage) -> None:
    """Two entries for one partition in a request."""
    a = stage.connect()
    topic = filled(stage)
    request = fetch(topic, 0)
    request.topics[0].partitions.append(fetch(topic, 3).topics[0].partitions[0])
    a.send(request, 4).either()


@theme.story
def a_replica_that_is_none(stage: Stage) -> None:
    """Asked as a follower by a node that holds no replica of the partition."""
    a = stage.connect()
    topic = filled(stage)
    a.ask(fetch(topic, 0, replica_id=9), 11)
    a.ask(fetch(topic, 0, replica_id=-2), 11)
    a.ask(fetch(topic, 0, 0, replica_id=9), 4)
    a.ask(fetch(topic, 0, replica_id=1), 11)
    a.ask(fetch(topic, 0, replica_id=9, session_id=0, session_epoch=0), 11)


# -------------------------------------------------------------------------------------------------- fetch sessions


@theme.story
def a_session(stage: Stage) -> None:
    """Epoch 0 opens a session: afterwards only partitions with news are told of, and only changes are asked."""
    a = stage.connect()
    topic = filled(stage, partitions=2)
    opened = a.ask(fetch(topic, 0, 6, session_id=0, session_epoch=0), 12)
    session = opened.session_id
    a.ask(FetchRequest(max_wait_ms=0, session_id=session, session_epoch=1), 12)
    a.ask(fetch(topic, 6, session_id=session, session_epoch=2), 12)
    a.ask(FetchRequest(max_wait_ms=0, session_id=session, session_epoch=3), 12)
    stage.backstage().ask(produce(topic, batch("6")), 9)
    a.ask(FetchRequest(max_wait_ms=0, session_id=session, session_epoch=4), 12)
    forgotten = [FetchRequest.ForgottenTopic(topic=topic, partitions=[0])]
    a.ask(FetchRequest(session_id=session, session_epoch=5, forgotten_topics_data=forgotten), 12)


@theme.story
def wrong_sessions(stage: Stage) -> None:
    """A session nobody opened, an epoch that is not the next, a session that was closed."""
    a = stage.connect()
    topic = filled(stage)
    for version in (7, 12):
        a.ask(fetch(topic, 0, session_id=77, session_epoch=1), version)
        session = a.ask(fetch(topic, 0, session_id=0, session_epoch=0), version).session_id
        a.ask(FetchRequest(session_id=session, session_epoch=3), version)
        a.ask(FetchRequest(session_id=session, session_epoch=1), version)
        a.ask(fetch(topic, 0, session_id=session, session_epoch=-1), version)
        a.ask(FetchRequest(session_id=session, session_epoch=2), version)


@theme.story
def session_numbers(stage: Stage) -> None:
    """Epoch 0 ends the session it names and opens another, with or without partitions; no session is there to be closed."""
    a = stage.connect()
    topic = filled(stage)
    session = a.ask(fetch(topic, 6, session_id=0, session_epoch=0), 12).session_id
    a.ask(fetch(topic, 6, session_id=session, session_epoch=0), 12)
    a.ask(FetchRequest(session_id=session, session_epoch=1), 12)
    a.ask(FetchRequest(session_id=0, session_epoch=0), 12)
    a.ask(fetch(topic, 6, session_id=5, session_epoch=-1), 12)
    for epoch in (4, -5):
        a.ask(FetchRequest(session_id=0, session_epoch=epoch), 12)


@theme.story
def sessions_by_name_and_by_id(stage: Stage) -> None:
    """A session keeps to names or to ids; a topic that is not there is told of each time."""
    a = stage.connect()
    topic = filled(stage)
    where = stage.topic_id(topic)
    named = a.ask(fetch(topic, 6, session_id=0, session_epoch=0), 12).session_id
    a.ask(FetchRequest(session_id=named, session_epoch=1), 13)
    a.ask(FetchRequest(session_id=named, session_epoch=1), 12)
    session = a.ask(fetch(where, 6, session_id=0, session_epoch=0), 13).session_id
    a.ask(fetch(NOBODY, 0, session_id=session, session_epoch=1), 13)
    a.ask(FetchRequest(session_id=session, session_epoch=2), 13)
    a.ask(FetchRequest(session_id=session, session_epoch=3), 12)
    gone = [FetchRequest.ForgottenTopic(topic_id=NOBODY, partitions=[0])]
    a.ask(FetchRequest(session_id=session, session_epoch=3, forgotten_topics_data=gone), 13)


@theme.story
def errors_in_a_session(stage: Stage) -> None:
    """An error is told each time, and its end once."""
    a = stage.connect()
    topic = filled(stage)
    session = a.ask(fetch(topic, 7, 6, session_id=0, session_epoch=0), 12).session_id
    a.ask(FetchRequest(session_id=session, session_epoch=1, min_bytes=1, max_wait_ms=10), 12)
    a.ask(fetch(topic, 6, session_id=session, session_epoch=2), 12)
    a.ask(FetchRequest(session_id=session, session_epoch=3, min_bytes=1, max_wait_ms=10), 12)
    gone = [FetchRequest.ForgottenTopic(topic=topic, partitions=[1, 5])]
    a.ask(FetchRequest(session_id=session, session_epoch=4, forgotten_topics_data=gone), 12)


@theme.story
def turns_in_a_session(stage: Stage) -> None:
    """When there is room for one partition's records only, each comes once before one comes twice."""
    a = stage.connect()
    topic = filled(stage, partitions=3)
    session = a.ask(fetch(topic, 0, 0, 0, max_bytes=250, session_id=0, session_epoch=0), 12).session_id
    for epoch in range(1, 5):
        a.ask(FetchRequest(session_id=session, session_epoch=epoch, max_bytes=250), 12)


@theme.story
def waiting_in_a_session(stage: Stage) -> None:
    """A producer ends the wait for a partition that was named long before; too few bytes come when the time is over."""
    a, b = stage.connect("a"), stage.connect("b")
    topic = filled(stage, partitions=2)
    session = a.ask(fetch(topic, 6, 6, session_id=0, session_epoch=0), 12).session_id
    held = a.send(FetchRequest(session_id=session, session_epoch=1, min_bytes=1, max_wait_ms=10000), 12)
    b.ask(produce(topic, batch("6")), 9)
    held.answer()
    a.ask(fetch(topic, 7, session_id=session, session_epoch=2, min_bytes=1, max_wait_ms=10), 12)
    held = a.send(FetchRequest(session_id=session, session_epoch=3, min_bytes=200, max_wait_ms=200), 12)
    b.ask(produce(topic, batch("7")), 9)
    held.answer()


# ---------------------------------------------------------------------------------------------------- ListOffsets


def offsets_at(
    topic: str, *timestamps: int, epoch: int = -1, isolation_level: int = 0, replica_id: int = -1
) -> ListOffsetsRequest:
    """One question a partition: 0, 1 ..."""
    Topic = ListOffsetsRequest.Topic
    partitions = [
        Topic.Partition(partition_index=index, timestamp=timestamp, current_leader_epoch=epoch)
        for index, timestamp in enumerate(timestamps)
    ]
    topics = [Topic(name=topic, partitions=partitions)]
    return ListOffsetsRequest(replica_id=replica_id, isolation_level=isolation_level, topics=topics, timeout_ms=1000)


def listed(connection: Connection, topic: str, *timestamps: int, version: int = 10) -> None:
    for timestamp in timestamps:
        connection.ask(offsets_at(topic, timestamp), version)


@theme.story_by_version("ListOffsets")
def places(stage: Stage, version: int) -> None:
    """The end, the start, and by time: before all, within a batch, on a batch's first, after all."""
    a = stage.connect()
    topic = filled(stage)
    listed(
        a,
        topic,
        -1,
        -2,
        0,
        TIME_MS + 1,
        TIME_MS + 2000,
        TIME_MS + 2001,
        TIME_MS + 3002,
        TIME_MS + 3003,
        version=version,
    )


@theme.story_by_version("ListOffsets")
def special_places(stage: Stage, version: int) -> None:
    """-3 the largest timestamp, -4 the local start, -5 the last in tiered storage; what later versions brought is
    UNSUPPORTED_VERSION in earlier ones."""
    a = stage.connect()
    topic = filled(stage)
    empty = stage.topic("-empty")
    for timestamp in (-3, -4, -5, -6, -7):
        a.ask(offsets_at(topic, timestamp), version)
        a.ask(offsets_at(empty, timestamp), version)
    listed(a, empty, -1, -2, 0, TIME_MS, version=version)


@theme.story_by_version("ListOffsets")
def offsets_of_unknown_places(stage: Stage, version: int) -> None:
    """A partition, a topic that are not there."""
    a = stage.connect()
    topic = filled(stage)
    a.ask(offsets_at(topic, -1, -1), version)
    a.ask(offsets_at("nobody-made-it", -1), version)


@theme.story
def largest_timestamp(stage: Stage) -> None:
    """The largest timestamp need not be the last; among equals the first counts."""
    a = stage.connect()
    topic = stage.topic()
    for stamps in ((5, 9, 7), (9, 1), (3,)):
        records = [Record(None, b"x", timestamp_ms=TIME_MS + stamp) for stamp in stamps]
        stage.backstage().ask(produce(topic, records_of(*records)), 9)
    listed(a, topic, -3, TIME_MS + 6, TIME_MS + 9, TIME_MS + 10)
    packed = stage.topic("-packed")
    records = [Record(None, b"x", timestamp_ms=TIME_MS + stamp) for stamp in (5, 9, 7, 9)]
    stage.backstage().ask(produce(packed, records_of(*records, codec=1)), 9)
    listed(a, packed, -3, TIME_MS + 6)


@theme.story
def offsets_by_epoch_and_isolation(stage: Stage) -> None:
    """An older leader epoch is FENCED, a newer one UNKNOWN; committed and uncommitted end agree without transactions."""
    a = stage.connect()
    topic = filled(stage)
    for epoch in (0, 1):
        a.ask(offsets_at(topic, -1, epoch=epoch), 5)
    for level in (0, 1):
        a.ask(offsets_at(topic, -1, isolation_level=level), 5)
        a.ask(offsets_at(topic, TIME_MS, isolation_level=level), 5)
    a.ask(offsets_at(topic, -1, replica_id=9), 5)
    a.ask(offsets_at(topic, -1, replica_id=-2), 5)


@theme.story
def one_partition_asked_twice(stage: Stage) -> None:
    """Two questions about one partition in one request are refused, both."""
    a = stage.connect()
    topic = filled(stage)
    request = offsets_at(topic, -1)
    request.topics[0].partitions.append(offsets_at(topic, -2).topics[0].partitions[0])
    a.send(request, 5).either()


# ------------------------------------------------------------------------------------------ OffsetForLeaderEpoch


def end_of(topic: str, *epochs: int, current: int = -1, replica_id: int = -1) -> OffsetForLeaderEpochRequest:
    Topic = OffsetForLeaderEpochRequest.Topic
    partitions = [
        Topic.Partition(partition=index, leader_epoch=epoch, current_leader_epoch=current)
        for index, epoch in enumerate(epochs)
    ]
    return OffsetForLeaderEpochRequest(replica_id=replica_id, topics=[Topic(topic=topic, partitions=partitions)])


@theme.story_by_version("OffsetForLeaderEpoch")
def ends_of_epochs(stage: Stage, version: int) -> None:
    """The current epoch ends where the log does; of an epoch yet to come nothing is known."""
    a = stage.connect()
    topic = filled(stage)
    for epoch in (0, 1, -1):
        a.ask(end_of(topic, epoch), version)
    for current in (0, 1, -1):
        a.ask(end_of(topic, 0, current=current), version)
    a.ask(end_of(topic, 0, 0), version)
    a.ask(end_of("nobody-made-it", 0), version)
    a.ask(end_of(stage.topic("-empty"), 0), version)
