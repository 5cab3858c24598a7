"""What a broker passes on to the controller."""

import pytest

from minikafka.controller_channel import unwrap, wrap
from minikafka.handlers.admin import newest_form
from minikafka.wire.compile import decode, encode
from minikafka.wire.messages.topics import DeleteTopicsRequest
from minikafka.wire.types import ZERO_UUID

Topic = DeleteTopicsRequest.Topic


@pytest.mark.parametrize("version", range(1, 7))
def test_topics_to_delete_reach_another_nodes_controller_in_any_version(version):
    named = {"topic_names": ["a", "b"]} if version < 6 else {"topics": [Topic(name="a"), Topic(name="b")]}
    asked = encode(DeleteTopicsRequest(timeout_ms=7, **named), version)
    request, _ = decode(DeleteTopicsRequest, version, asked)
    newest_form(request)
    assert unwrap(wrap(request)) == DeleteTopicsRequest(
        timeout_ms=7, topics=[Topic(name="a", topic_id=ZERO_UUID), Topic(name="b", topic_id=ZERO_UUID)]
    )
