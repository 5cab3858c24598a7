"""Produce: what a leader takes, and each way in which it refuses."""

import struct

import cramjam

from minikafka.records.record import Record
from minikafka.wire.messages.fetch import FetchRequest
from minikafka.wire.messages.produce import ProduceRequest
from minikafka.wire.messages.transactions import InitProducerIdRequest
from tests.golden.batches import TIME_MS, batch, changed, message_set, produce, records_of
from tests.golden.play import Connection, Stage, Theme

theme = Theme("produce", "Produce: what a leader takes, and each way in which it refuses", ("log.retention.ms=-1",))


def read_all(connection: Connection, topic: str) -> None:
    """What the log holds after all that."""
    Topic = FetchRequest.Topic
    part = Topic.Partition(partition=0, fetch_offset=0, partition_max_bytes=1 << 20)
    connection.ask(FetchRequest(max_wait_ms=0, topics=[Topic(topic=topic, partitions=[part])]), 12)


@theme.story_by_version("Produce")
def two_batches(stage: Stage, version: int) -> None:
    """Offsets go on where the last batch ended.  Version 13 names the topic by its id."""
    a = stage.connect()
    topic = stage.topic(partitions=2)
    where = stage.topic_id(topic) if version >= 13 else topic
    a.ask(produce(where, batch("first", "second"), batch("other partition")), version)
    a.ask(produce(where, batch("third"), acks=1), version)
    read_all(a, topic)


@theme.story_by_version("Produce")
def unknown_places(stage: Stage, version: int) -> None:
    """A topic, or a partition, that is not there: the other partitions of the request are served."""
    a = stage.connect()
    topic = stage.topic()
    where = stage.topic_id(topic) if version >= 13 else topic
    a.ask(produce(where, batch("taken"), batch("there is no partition 1")), version)
    a.ask(produce(bytes(15) + b"\7" if version >= 13 else "nobody-made-it", batch("lost")), version)


@theme.story_by_version("Produce")
def acks_0(stage: Stage, version: int) -> None:
    """No answer, not even to a batch for a topic that is not there."""
    a = stage.connect()
    topic = stage.topic()
    where = stage.topic_id(topic) if version >= 13 else topic
    a.tell(produce(where, batch("quietly"), acks=0), version)
    a.ask(produce(where, batch("aloud"), acks=1), version)


@theme.story
def acks_0_and_refused(stage: Stage) -> None:
    """Refused without an answer the client would never learn of it: the connection ends."""
    a = stage.connect()
    a.send(produce("nobody-made-it", batch("lost"), acks=0), 7).closed()
    topic = stage.topic()
    b = stage.connect("b")
    b.send(produce(topic, changed(batch("x"), crc=1), acks=0), 7).closed()


@theme.story
def wrong_acks(stage: Stage) -> None:
    """Only -1, 0 and 1."""
    a = stage.connect()
    topic = stage.topic()
    for acks in (2, -2):
        for version in (3, 8):
            a.ask(produce(topic, batch("x"), acks=acks), version)
    read_all(a, topic)


@theme.story
def no_topics_at_all(stage: Stage) -> None:
    """An empty request has an empty answer."""
    a = stage.connect()
    for version in (3, 9):
        a.ask(ProduceRequest(acks=1, timeout_ms=100), version)


@theme.story
def the_same_partition_twice(stage: Stage) -> None:
    """Two entries for one partition in a request, in one topic or in two of the same name: the last is written."""
    a = stage.connect()
    topic = stage.topic(partitions=2)
    Topic = ProduceRequest.Topic
    first, second, other = Topic.Partition(index=0), Topic.Partition(index=0), Topic.Partition(index=1)
    first.records, second.records, other.records = batch("first"), batch("second"), batch("other")
    at_once = [Topic(name=topic, partition_data=[first, other, second])]
    apart = [Topic(name=topic, partition_data=[first]), Topic(name=topic, partition_data=[second, other])]
    for topics in (at_once, apart):
        a.ask(ProduceRequest(acks=1, timeout_ms=100, topic_data=topics), 9)
    read_all(a, topic)


def wrong_batch(name: str, data: bytes) -> None:
    """One batch, in two versions: since 8 an answer may say which record was at fault."""

    def story(stage: Stage) -> None:
        """A batch that is not as it should be; what the log holds afterwards."""
        a = stage.connect()
        topic = stage.topic()
        for version in (7, 9):
            a.send(produce(topic, data), version).either()
            if a.ended:
                a = stage.connect()
        read_all(a, topic)

    story.__name__ = f"batch_{name}"
    theme.story(story)


def with_payload(data: bytes, payload: bytes, **fields: int) -> bytes:
    """The batch with other bytes in place of its records."""
    return changed(data[:61] + payload, length=49 + len(payload), **fields)


def compress_raw(data: bytes) -> bytes:
    """A snappy block without any framing, as librdkafka sends it."""
    return bytes(cramjam.snappy.compress_raw(data))


# Null in place of a batch is not asked: Apache Kafka 4.1.1 never answers that, nor anything else on the connection.
one, two = batch("x"), batch("x", "y")
wrong_batch("of_no_bytes", b"")
wrong_batch("with_a_bad_checksum", changed(one, crc=1))
wrong_batch("of_magic_0", message_set(0, b"x"))
wrong_batch("of_magic_1", message_set(1, b"x"))
wrong_batch("of_magic_3", changed(one, magic=3))
wrong_batch("of_magic_minus_1", changed(one, magic=-1))
wrong_batch("twice", one + one)
wrong_batch("with_junk_behind", one + b"junk")
wrong_batch("with_a_header_cut_short", one[:40])
wrong_batch("longer_than_its_bytes", changed(one, length=len(one) + 100))
wrong_batch("cut_short", one[:-1])
wrong_batch("of_length_0", changed(one, length=0))
wrong_batch("of_length_48", changed(one, length=48))
wrong_batch("of_negative_length", changed(one, length=-1))
wrong_batch("with_a_base_offset", changed(one, base_offset=5))
wrong_batch("with_a_leader_epoch", changed(one, leader_epoch=7))
wrong_batch("with_count_0", changed(one, record_count=0))
wrong_batch("with_a_negative_count", changed(one, record_count=-1))
wrong_batch("with_a_count_too_large", changed(two, record_count=3))
wrong_batch("with_a_count_too_small", changed(two, record_count=1))
wrong_batch("with_delta_too_large", changed(one, last_offset_delta=4))
wrong_batch("with_delta_and_count_too_large", changed(one, last_offset_delta=1, record_count=2))
wrong_batch("with_a_negative_delta", changed(one, last_offset_delta=-1))
wrong_batch("of_control", changed(one, attributes=0x20))
wrong_batch("of_transactional_control", changed(one, attributes=0x30))
wrong_batch("transactional_without_an_id", changed(one, attributes=0x10))
wrong_batch("with_delete_horizon", changed(one, attributes=0x40))
wrong_batch("with_unknown_attributes", changed(one, attributes=0x1F00))
wrong_batch("with_log_append_time", changed(one, attributes=0x08))
wrong_batch("of_codec_5", changed(one, attributes=5))
wrong_batch("of_codec_7", changed(one, attributes=7))
wrong_batch("of_codec_1_without_gzip", changed(one, attributes=1))
wrong_batch("of_codec_2_without_snappy", changed(one, attributes=2))
wrong_batch("of_codec_3_without_lz4", changed(one, attributes=3))
wrong_batch("of_codec_4_without_zstd", changed(one, attributes=4))
wrong_batch("of_records_that_are_none", changed(one[:61] + b"\xff" * 8, length=57))
wrong_batch("with_bytes_behind_its_records", changed(one + b"junk", length=len(one) - 12 + 4))
wrong_batch("with_wrong_inner_deltas", changed(two[:72] + b"\4" + two[73:]))
wrong_batch("with_a_producer_id_without_a_sequence", changed(one, producer_id=1000, producer_epoch=0))
wrong_batch("with_a_producer_id_without_an_epoch", changed(one, producer_id=1000, base_sequence=0))
wrong_batch("with_a_sequence_without_a_producer_id", changed(one, base_sequence=0))
wrong_batch("with_a_max_timestamp_too_small", changed(two, max_timestamp=TIME_MS))
wrong_batch("with_a_max_timestamp_too_large", changed(two, max_timestamp=TIME_MS + 9))
wrong_batch("of_one_with_a_max_timestamp_too_small", changed(one, max_timestamp=TIME_MS - 9))
wrong_batch("of_more_than_its_bytes_can_be", changed(one, last_offset_delta=999, record_count=1000))
wrong_batch("of_a_header_alone", changed(one[:61], length=49))
wrong_batch("of_a_record_of_five_bytes", changed(one[:61] + b"\x0a\0\0\0\1\0", length=55))
wrong_batch("of_a_record_of_negative_length", changed(one[:61] + b"\1" * 8, length=57))
wrong_batch("of_a_long_record_cut_short", changed(batch("x" * 300)[:-9], length=352))
wrong_batch("of_raw_snappy", with_payload(one, compress_raw(one[61:]), attributes=2))
wrong_batch("of_raw_snappy_cut_short", with_payload(one, compress_raw(one[61:])[:-2], attributes=2))
wrong_batch("with_negative_timestamps", batch("x", time_ms=-1))


@theme.story
def empty_and_null(stage: Stage) -> None:
    """Keys and values may be null or empty, and a header's value too."""
    a = stage.connect()
    topic = stage.topic()
    records = [
        Record(None, None),
        Record(b"", b""),
        Record(b"key", b"value", [("h", b"1"), ("h", None), ("", b"")]),
    ]
    a.ask(produce(topic, records_of(*records)), 9)
    read_all(a, topic)


@theme.story
def every_codec(stage: Stage) -> None:
    """A batch is stored as it came, whatever it is packed with."""
    a = stage.connect()
    topic = stage.topic()
    for codec in range(5):
        a.ask(produce(topic, batch("packed " * 9, "twice", codec=codec)), 9)
    read_all(a, topic)


@theme.story
def zstd_before_version_7(stage: Stage) -> None:
    """A client of an older version is not expected to know zstd."""
    a = stage.connect()
    topic = stage.topic()
    for version in (3, 6, 7):
        a.ask(produce(topic, batch("packed", codec=4)), version)


@theme.story
def a_batch_too_large(stage: Stage) -> None:
    """max.message.bytes counts the batch as it was sent, header and all."""
    a = stage.connect()
    topic = stage.topic(max_message_bytes="200")
    fits = 200 - len(batch(b""))
    for size in (fits - 1, fits, fits + 1, 1000):
        a.ask(produce(topic, batch(bytes(size)), acks=1), 9)
    a.ask(produce(topic, batch(bytes(1000), codec=1)), 9)


@theme.story
def a_batch_larger_than_a_segment(stage: Stage) -> None:
    """RECORD_LIST_TOO_LARGE; segments of less than a mebibyte are refused at creation."""
    a = stage.connect()
    topic = stage.topic(max_message_bytes="2000000", segment_bytes="1048576")
    a.ask(produce(topic, batch(bytes(1048577))), 9)


@theme.story
def log_append_time(stage: Stage) -> None:
    """The broker's clock in place of the client's: the answer says which, the batch gets a new checksum."""
    a = stage.connect()
    topic = stage.topic(message_timestamp_type="LogAppendTime")
    for codec in range(5):
        a.ask(produce(topic, batch("stamped", "twice", codec=codec)), 9)
    read_all(a, topic)


@theme.story
def timestamps_out_of_bounds(stage: Stage) -> None:
    """Before and after what the topic allows; the answer names the first record."""
    a = stage.connect()
    topic = stage.topic(message_timestamp_before_max_ms="1000", message_timestamp_after_max_ms="1000")
    for version in (7, 9):
        a.ask(produce(topic, batch("long past", "and gone")), version)
        a.ask(produce(topic, batch("far away", time_ms=9_000_000_000_000)), version)
    other = stage.topic("-default")
    a.ask(produce(other, batch("far away", time_ms=9_000_000_000_000)), 9)
    a.ask(produce(other, batch("long past", time_ms=0)), 9)
    a.ask(produce(other, batch("without", time_ms=-1)), 9)


@theme.story
def a_compacted_topic(stage: Stage) -> None:
    """Every record needs a key; one without refuses its whole batch."""
    a = stage.connect()
    topic = stage.topic(cleanup_policy="compact")
    bad = records_of(Record(b"k", b"1"), Record(None, b"2"), Record(b"k", b"3"), Record(None, b"4"))
    for version in (7, 9):
        a.ask(produce(topic, bad), version)
    a.ask(produce(topic, records_of(Record(None, b"packed"), codec=1)), 9)
    a.ask(produce(topic, records_of(Record(b"", b"empty key"), Record(b"k", None))), 9)
    read_all(a, topic)


@theme.story
def recompressed(stage: Stage) -> None:
    """A topic may ask for a codec of its own: batches of another are packed again by the broker."""
    a = stage.connect()
    topic = stage.topic(compression_type="gzip")
    a.ask(produce(topic, batch("plain", "twice")), 9)
    a.ask(produce(topic, batch("zstd", codec=4)), 9)
    plain = stage.topic("-plain", compression_type="uncompressed")
    a.ask(produce(plain, batch("zstd", codec=4)), 9)


@theme.story
def internal_topics(stage: Stage) -> None:
    """Clients may read __consumer_offsets but not write to it."""
    a = stage.connect()
    stage.coordinator("anyone")
    for version in (7, 9):
        a.ask(produce("__consumer_offsets", batch("x", key=b"k")), version)


# ---------------------------------------------------------------------------------------------- idempotent producers


def producer(stage: Stage) -> int:
    """A fresh producer id."""
    request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=0)
    answer = stage.backstage().until(lambda got: got.error_code == 0, request, 4)
    found: int = answer.producer_id
    return found


@theme.story
def sequences(stage: Stage) -> None:
    """One producer: batches in order, a duplicate, a gap, a batch that was there five batches ago and one before that."""
    a = stage.connect()
    topic, me = stage.topic(), producer(stage)

    def send(base_sequence: int, *values: str, epoch: int = 0) -> None:
        data = batch(*values, producer_id=me, producer_epoch=epoch, base_sequence=base_sequence)
        a.ask(produce(topic, data), 9)

    send(0, "0", "1")
    send(2, "2")
    send(0, "0", "1")
    send(2, "2")
    send(4, "a gap")
    send(2, "2", "longer than it was")
    send(1, "1", "2")
    for sequence in range(3, 8):
        send(sequence, str(sequence))
    send(3, "3")
    send(2, "2, forgotten")
    send(0, "0", "1, forgotten")
    send(8, "8")
    read_all(a, topic)


@theme.story
def epochs(stage: Stage) -> None:
    """A higher epoch begins at sequence 0; a lower one is refused for good."""
    a = stage.connect()
    topic, me = stage.topic(), producer(stage)

    def send(base_sequence: int, epoch: int, version: int = 9) -> None:
        data = batch("x", producer_id=me, producer_epoch=epoch, base_sequence=base_sequence)
        a.ask(produce(topic, data), version)

    send(0, 0)
    send(1, 1)
    send(0, 1)
    send(1, 0)
    send(1, 0, 3)
    send(1, 1)
    send(0, 5)
    send(1, -1)
    read_all(a, topic)


@theme.story
def a_producer_nobody_knows(stage: Stage) -> None:
    """Without state for the id any sequence is taken: state expires, and its records may be gone."""
    a = stage.connect()
    topic = stage.topic()
    for base_sequence in (7, 8, 10):
        a.ask(produce(topic, batch("x", producer_id=5, producer_epoch=3, base_sequence=base_sequence)), 9)


@theme.story
def sequences_wrap(stage: Stage) -> None:
    """After 2147483647 comes 0, within a batch and between batches."""
    a = stage.connect()
    topic, last = stage.topic(), 2**31 - 1
    for base_sequence, values in [(last - 1, "ab"), (0, "c"), (last - 1, "ab"), (0, "c"), (1, "d")]:
        a.ask(produce(topic, batch(*values, producer_id=6, producer_epoch=0, base_sequence=base_sequence)), 9)
    other = stage.topic("-within")
    for base_sequence, values in [(last, "abc"), (2, "d"), (last, "abc"), (2, "d")]:
        a.ask(produce(other, batch(*values, producer_id=6, producer_epoch=0, base_sequence=base_sequence)), 9)


@theme.story
def producers_apart(stage: Stage) -> None:
    """Sequences are counted by producer and by partition."""
    a = stage.connect()
    topic = stage.topic(partitions=2)
    first, second = producer(stage), producer(stage)
    for me in (first, second):
        data = batch("x", producer_id=me, producer_epoch=0, base_sequence=0)
        a.ask(produce(topic, data, data), 9)


@theme.story_by_version("InitProducerId")
def init_producer_id(stage: Stage, version: int) -> None:
    """Without a transactional id: a fresh id each time and epoch 0, whatever was given."""
    a = stage.connect()
    producer(stage)
    a.ask(InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=0), version)
    a.ask(InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=2**31 - 1), version)
    if version >= 3:
        again = {"producer_id": 7, "producer_epoch": 3}
        a.ask(InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=0, **again), version)
        a.ask(InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=0, producer_id=7), version)
    a.ask(InitProducerIdRequest(transactional_id="", transaction_timeout_ms=1000), version)


@theme.story
def malformed_bodies(stage: Stage) -> None:
    """A body that does not fit its version ends the connection."""
    body = struct.pack(">hhii", -1, 1, 1000, 5)
    header = struct.pack(">hhihs", 0, 3, 1, 1, b"a")
    stage.connect().raw("five topics, none there", struct.pack(">i", len(header + body)) + header + body).closed()
