"""A leader's sessions and a follower's fetcher, talking to each other without a network (KIP-227, KIP-595)."""

from random import Random

import pytest

from minikafka.replication.fetcher import Fetcher, FetchSettings
from minikafka.replication.reading import failed
from minikafka.replication.sessions import Session, Sessions, response_of
from minikafka.wire.errors import ErrorCode, KafkaError
from tests.minikafka.replication.replicas import TOPIC_ID, append, leader, registration, replica

KEY = (TOPIC_ID, 0)


class Pair:
    """Broker 1 leads, broker 2 follows; `exchange` is one fetch and its answer."""

    def __init__(self):
        self.leader, self.follower = leader(), replica(me=2)
        self.follower.update(registration(leader=1), now_ms=0)
        self.sessions = Sessions(Random(1))
        self.broken = []
        self.cut = []
        self.fetcher = Fetcher(
            2,
            1,
            lambda: 12,
            FetchSettings(backoff_ms=100),
            lambda *each: self.broken.append(each),
            self.cut.append,
        )
        self.fetcher.add(self.follower)
        self.now_ms = 0

    def exchange(self):
        request = self.fetcher.next_request(self.now_ms)
        response = self.answer(request)
        self.fetcher.receive(response, self.now_ms, 0)
        return request, response

    def answer(self, request):
        state = request.replica_state
        try:
            session = self.sessions.session_for(request, state.replica_id, state.replica_epoch)
        except KafkaError as error:
            return response_of(0, [], error.code)
        errors = session.take(request, lambda *key: self.leader if key == KEY else None, self.now_ms)
        answers, _ = session.read_news(1 << 20)
        session.told(answers)
        return response_of(session.session_id, errors + answers)

    def values(self, partition):
        return bytes(partition.log.read(0, 1 << 20, partition.log.log_end_offset).records)


@pytest.fixture
def pair():
    return Pair()


def test_a_follower_ends_with_the_leaders_bytes(pair):
    append(pair.leader, "a", "b")
    append(pair.leader, "c")
    pair.exchange()
    assert pair.values(pair.follower) == pair.values(pair.leader)
    assert pair.follower.log.epochs.entries == pair.leader.log.epochs.entries


def test_the_next_fetch_acknowledges_and_the_answer_after_brings_the_watermark(pair):
    pair.leader.update(registration(isr=(1, 2), partition_epoch=1), now_ms=0)
    append(pair.leader, "a")
    pair.exchange()
    assert (pair.leader.log.high_watermark, pair.follower.log.high_watermark) == (0, 0)
    pair.exchange()
    assert (pair.leader.log.high_watermark, pair.follower.log.high_watermark) == (1, 1)


def test_all_is_said_once_and_then_what_has_changed(pair):
    first, _ = pair.exchange()
    second, answer = pair.exchange()
    assert [len(each.topics) for each in (first, second)] == [1, 0]
    assert (second.session_id, second.session_epoch) == (answer.session_id, 1)
    assert answer.responses == []
    append(pair.leader)
    _, answer = pair.exchange()
    assert [len(topic.partitions) for topic in answer.responses] == [1]
    third, _ = pair.exchange()
    assert [asked.fetch_offset for topic in third.topics for asked in topic.partitions] == [1]


def test_a_batch_that_found_no_room_beside_another_partitions_comes_first_in_the_next_answer():
    large, small = leader(), leader()
    keys = [(bytes(15) + bytes([number]), 0) for number in (1, 2)]
    session = Session(2, 12)
    for key, partition in zip(keys, (small, large), strict=True):
        partition.topic_id = key[0]
        session._follow(key, partition).max_bytes = 100
    append(small, "a")
    append(large, "b" * 200)

    def given():
        return [answer.records for _, answer in session.read_news(1 << 20)[0] if answer.records]

    assert given() == [bytes(small.log.read(0, 1 << 20, 1).records)]
    session.partitions[keys[0]].offset = 1
    assert given() == [bytes(large.log.read(0, 1 << 20, 1).records)]


def test_a_session_that_the_leader_lost_is_begun_anew(pair):
    pair.exchange()
    pair.sessions.close(next(iter(pair.sessions)))
    _, answer = pair.exchange()
    assert answer.error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    request, answer = pair.exchange()
    assert (request.session_epoch, len(request.topics), answer.error_code) == (0, 1, 0)


def test_where_logs_part_the_follower_cuts_its_own(pair):
    """It led epoch 0 with a record that nobody else took; then 1 led epoch 1."""
    append(pair.leader, "a")
    pair.exchange()
    pair.follower.update(registration(leader=2, leader_epoch=1, partition_epoch=1), now_ms=0)
    append(pair.follower, "only here", acks=1)
    pair.leader.update(registration(leader=1, leader_epoch=2, partition_epoch=2), now_ms=0)
    append(pair.leader, "b")
    pair.follower.update(registration(leader=1, leader_epoch=2, partition_epoch=2), now_ms=0)
    pair.fetcher.add(pair.follower)
    pair.fetcher.restart_session()
    for _ in range(3):
        pair.exchange()
    assert pair.values(pair.follower) == pair.values(pair.leader)
    assert pair.follower.log.epochs.entries == [(0, 0), (2, 1)]


def test_a_follower_that_diverges_has_not_got_what_its_offset_claims(pair):
    append(pair.leader, "a")
    pair.exchange()
    pair.follower.update(registration(leader=2, leader_epoch=1, partition_epoch=1), now_ms=0)
    append(pair.follower, "x", acks=1)
    pair.leader.update(registration(leader=1, leader_epoch=2, partition_epoch=2), now_ms=0)
    append(pair.leader, "b")
    pair.follower.update(registration(leader=1, leader_epoch=2, partition_epoch=2), now_ms=0)
    pair.fetcher.add(pair.follower)
    pair.fetcher.restart_session()
    pair.answer(pair.fetcher.next_request(0))
    assert pair.leader.followers[2].log_end_offset == -1


def test_a_follower_below_the_leaders_log_begins_where_that_begins(pair):
    for _ in range(3):
        append(pair.leader, acks=1)
    pair.leader.log.high_watermark = 3
    pair.leader.log.advance_log_start(2)
    for _ in range(2):
        pair.exchange()
    log = pair.follower.log
    assert (log.log_start_offset, log.log_end_offset) == (2, 3)


def test_a_leader_that_knows_less_than_we_do_is_asked_again_in_a_moment(pair):
    pair.follower.update(registration(leader=1, leader_epoch=3, partition_epoch=1), now_ms=0)
    pair.fetcher.add(pair.follower)
    pair.exchange()
    assert [error for _, error in pair.fetcher.resting()] == [ErrorCode.UNKNOWN_LEADER_EPOCH]
    assert asked_at(pair, 49, 50) == [0, 1]


def test_a_partition_that_cannot_be_read_rests_for_the_backoff(pair):
    pair.exchange()
    append(pair.leader, "a")
    pair.fetcher.next_request(0)
    refused = response_of(1, [(TOPIC_ID, failed(0, ErrorCode.KAFKA_STORAGE_ERROR))])
    pair.fetcher.receive(refused, 0, 0)
    assert [error for _, error in pair.fetcher.resting()] == [ErrorCode.KAFKA_STORAGE_ERROR]
    assert pair.fetcher.next_rest_ends_ms() == 100


def asked_at(pair, *times_ms):
    """How many topics a fetch names at each of these times."""
    asked = []
    for pair.now_ms in times_ms:
        request, _ = pair.exchange()
        asked.append(len(request.topics))
    return asked


def test_a_reign_without_a_record_is_forgotten_by_who_has_it_alone(pair):
    append(pair.leader, "a")
    pair.exchange()
    pair.follower.update(registration(leader=2, leader_epoch=1, partition_epoch=1), now_ms=0)
    pair.leader.update(registration(leader=1, leader_epoch=2, partition_epoch=2), now_ms=0)
    pair.follower.update(registration(leader=1, leader_epoch=2, partition_epoch=2), now_ms=0)
    pair.fetcher.add(pair.follower)
    pair.fetcher.restart_session()
    append(pair.leader, "b")
    for _ in range(3):
        pair.exchange()
    assert pair.values(pair.follower) == pair.values(pair.leader)
    assert pair.follower.log.epochs.entries == pair.leader.log.epochs.entries == [(0, 0), (2, 1)]


def test_an_answer_that_is_too_late_for_the_log_is_not_taken(pair):
    append(pair.leader, "a")
    pair.exchange()
    append(pair.leader, "b")
    late = pair.answer(pair.fetcher.next_request(0))
    pair.follower.truncate(0)
    pair.fetcher.receive(late, 0, 0)
    assert pair.follower.log.log_end_offset == 0
