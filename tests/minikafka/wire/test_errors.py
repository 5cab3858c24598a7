"""The error table against the one that kio generated from Kafka's."""

from kio.schema.errors import ErrorCode as KafkasErrorCode

from minikafka.wire.errors import ErrorCode, KafkaError


def test_the_table_is_kafkas():
    ours = {int(error): (error.name.lower(), error.retriable) for error in ErrorCode}
    assert ours == {int(error): (error.name, error.retriable) for error in KafkasErrorCode if error in ours}
    assert sorted(ours) == list(range(-1, 134))


def test_who_talks_to_the_wrong_broker_looks_for_the_right_one():
    refreshing = [error.name for error in ErrorCode if error.refreshes_metadata]
    assert {"NOT_LEADER_OR_FOLLOWER", "UNKNOWN_TOPIC_OR_PARTITION", "LEADER_NOT_AVAILABLE"} <= set(refreshing)
    assert all(ErrorCode[name].retriable for name in refreshing)


def test_each_error_says_something_of_its_own():
    messages = [error.message for error in ErrorCode if error is not ErrorCode.NONE]
    assert all(messages)
    assert len(set(messages)) == len(messages)


def test_an_error_says_its_own_text_or_that_of_its_code():
    assert str(KafkaError(ErrorCode.INVALID_CONFIG)) == ErrorCode.INVALID_CONFIG.message
    assert str(KafkaError(ErrorCode.INVALID_CONFIG, "segment.bytes is -1")) == "segment.bytes is -1"
    assert KafkaError(ErrorCode.INVALID_CONFIG).code == 40
