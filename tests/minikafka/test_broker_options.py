"""Settings of brokers changed while they run, as Apache Kafka 4.1.1 answers."""

import pytest

from minikafka.broker_options import BrokerOptions
from minikafka.options import OPTIONS
from minikafka.wire.errors import ErrorCode, KafkaError

BROKER_OPTIONS = BrokerOptions(OPTIONS)


@pytest.mark.parametrize(
    "values, complaint",
    [
        (
            {"log.retention.ms": "x"},
            "Invalid value x for configuration log.retention.ms: Not a number of type LONG",
        ),
        ({"node.id": "7"}, "Cannot update these configs dynamically: Set(node.id)"),
        (
            {"min.insync.replicas": "0"},
            "Invalid value 0 for configuration min.insync.replicas: Value must be at least 1",
        ),
    ],
)
def test_complaints(values, complaint):
    with pytest.raises(KafkaError) as refusal:
        BROKER_OPTIONS.validate(values)
    assert (refusal.value.code, str(refusal.value)) == (ErrorCode.INVALID_REQUEST, complaint)


def test_a_value_of_the_wrong_kind_is_refused_whoever_reads_it():
    for option in OPTIONS.options:
        if option.mutable and type(option.kind).__name__ == "Integer":
            with pytest.raises(KafkaError):
                BROKER_OPTIONS.validate({option.name: "many"})


def test_good_values_and_unknown_names_are_taken():
    BROKER_OPTIONS.validate({"log.retention.ms": "5", "log.cleanup.policy": "compact,delete", "some.plugin": "x"})


def test_lists_grow_from_their_default():
    assert BROKER_OPTIONS.is_list("log.cleanup.policy")
    assert not BROKER_OPTIONS.is_list("log.retention.ms")
    assert (BROKER_OPTIONS.default("log.cleanup.policy"), BROKER_OPTIONS.default("some.plugin")) == ("delete", None)
