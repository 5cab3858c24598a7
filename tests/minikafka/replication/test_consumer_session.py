"""What an incremental answer to a consumer holds, and which session gives way to which (KIP-227)."""

from random import Random

import pytest

from minikafka.replication.consumer_session import ConsumerSession
from minikafka.replication.reading import Answer, failed
from minikafka.replication.sessions import IDLE_MS, NO_SESSION, Sessions
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.fetch import FetchRequest

Topic = FetchRequest.Topic


def asking(*indexes, session_id=0, epoch=0, offset=0, topic="t", forget=()):
    parts = [Topic.Partition(partition=index, fetch_offset=offset) for index in indexes]
    gone = [FetchRequest.ForgottenTopic(topic=topic, partitions=list(forget))]
    return FetchRequest(
        session_id=session_id,
        session_epoch=epoch,
        topics=[Topic(topic=topic, partitions=parts)],
        forgotten_topics_data=gone,
    )


def part(index, *, watermark=5, log_start=0, records=b"", **more):
    return Answer(partition_index=index, high_watermark=watermark, log_start_offset=log_start, records=records, **more)


def told(session, *answers):
    """Of these answers the partitions that are sent."""
    return [index for (_, index), _ in session.news([(("t", answer.partition_index), answer) for answer in answers])]


def test_a_partition_is_told_of_when_something_about_it_is_new():
    session = ConsumerSession(asking(0, 1, 2), by_id=False)
    assert told(session, part(0), part(1), part(2)) == [0, 1, 2]
    session.session_id = 7
    assert told(session, part(0), part(1), part(2)) == []
    assert told(session, part(0, watermark=6), part(1, log_start=1), part(2, records=b"x")) == [0, 1, 2]
    assert told(session, part(0, watermark=6), part(1, log_start=1), part(2)) == []
    assert told(session, part(0, watermark=6, preferred_read_replica=2)) == [0]


def test_an_error_is_told_of_each_time_and_its_end_too():
    session = ConsumerSession(asking(0), by_id=False)
    session.session_id = 7
    error = failed(0, ErrorCode.NOT_LEADER_OR_FOLLOWER)
    parting = part(0, diverging_epoch=Answer.DivergingEpoch(epoch=1, end_offset=2))
    answers = [part(0), error, error, part(0), part(0), parting, part(0), part(0)]
    assert [told(session, answer) for answer in answers] == [[0], [0], [0], [0], [], [0], [0], []]


def test_a_partition_whose_records_were_sent_goes_to_the_end_of_the_line():
    session = ConsumerSession(asking(0, 1, 2), by_id=False)
    told(session, part(0, records=b"x"), part(1), part(2))
    assert [index for _, index in session.partitions] == [0, 1, 2], "the first answer moves none"
    session.session_id = 7
    told(session, part(0, records=b"x"), part(1), part(2))
    assert [index for _, index in session.partitions] == [1, 2, 0]


def test_of_a_partition_named_twice_the_last_offset_counts_in_the_first_place():
    request = asking(0, 1)
    request.topics.append(asking(0, offset=7).topics[0])
    session = ConsumerSession(request, by_id=False)
    assert [(index, asked.fetch_offset) for (_, index), asked in session.partitions.items()] == [(0, 7), (1, 0)]


def test_what_is_asked_anew_keeps_its_place_and_what_is_forgotten_is_told_anew_later():
    sessions = Sessions(Random(1))
    session = ConsumerSession(asking(0, 1), by_id=False)
    told(session, part(0), part(1))
    id = sessions.open_for_consumer(session, now_ms=0)
    sessions.consumer_session(asking(0, 2, session_id=id, epoch=1, offset=3, forget=[1, 9]), False, 0)
    assert [(index, asked.fetch_offset) for (_, index), asked in session.partitions.items()] == [(0, 3), (2, 3)]
    sessions.consumer_session(asking(1, session_id=id, epoch=2), False, 0)
    assert told(session, part(0), part(2), part(1)) == [2, 1]


def refusal(sessions, request, by_id=False):
    with pytest.raises(KafkaError) as error:
        sessions.consumer_session(request, by_id, 0)
    return error.value.code


def test_a_session_goes_on_with_its_next_epoch_by_names_or_by_ids_as_it_began():
    sessions = Sessions(Random(1))
    id = sessions.open_for_consumer(ConsumerSession(asking(0), by_id=False), now_ms=0)
    assert refusal(sessions, asking(session_id=id + 1, epoch=1)) == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert refusal(sessions, asking(session_id=id, epoch=2)) == ErrorCode.INVALID_FETCH_SESSION_EPOCH
    assert refusal(sessions, asking(session_id=id, epoch=1), by_id=True) == ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR
    assert refusal(sessions, asking(session_id=id, epoch=2), by_id=True) == ErrorCode.INVALID_FETCH_SESSION_EPOCH
    assert sessions.consumer_session(asking(session_id=id, epoch=1), False, 0).epoch == 2


def test_after_the_last_epoch_comes_1():
    sessions = Sessions(Random(1))
    session = ConsumerSession(asking(0), by_id=False)
    id = sessions.open_for_consumer(session, now_ms=0)
    session.epoch = 2**31 - 1
    assert sessions.consumer_session(asking(session_id=id, epoch=2**31 - 1), False, 0).epoch == 1


def test_sessions_of_followers_and_of_consumers_are_not_mistaken_for_each_other():
    sessions = Sessions(Random(1))
    follower = sessions.session_for(asking(), 2, 12)
    consumer = sessions.open_for_consumer(ConsumerSession(asking(0), by_id=False), now_ms=0)
    assert refusal(sessions, asking(session_id=follower.session_id, epoch=1)) == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    with pytest.raises(KafkaError) as error:
        sessions.session_for(asking(session_id=consumer, epoch=1), 2, 12)
    assert error.value.code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND


def test_a_full_table_declines_consumers_but_for_the_place_of_an_idle_one():
    sessions = Sessions(Random(1), maximum=2)
    first, second = (sessions.open_for_consumer(ConsumerSession(asking(0), False), now_ms=0) for _ in range(2))
    sessions.consumer_session(asking(session_id=first, epoch=1), False, now_ms=1000)
    assert sessions.open_for_consumer(ConsumerSession(asking(0), False), now_ms=IDLE_MS - 1) == NO_SESSION
    third = sessions.open_for_consumer(ConsumerSession(asking(0), False), now_ms=IDLE_MS)
    assert list(sessions) == [first, third]
    assert refusal(sessions, asking(session_id=second, epoch=1)) == ErrorCode.FETCH_SESSION_ID_NOT_FOUND


def test_a_full_table_makes_room_for_a_follower_first_from_consumers():
    sessions = Sessions(Random(1), maximum=2)
    follower = sessions.session_for(asking(), 2, 12).session_id
    sessions.open_for_consumer(ConsumerSession(asking(0), False), now_ms=0)
    another = sessions.session_for(asking(), 3, 13).session_id
    assert list(sessions) == [follower, another]
    third = sessions.session_for(asking(), 3, 13).session_id
    assert list(sessions) == [another, third]
