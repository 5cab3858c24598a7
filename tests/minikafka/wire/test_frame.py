"""Headers of requests and responses."""

import struct

import pytest

from minikafka.wire.apis import APIS, BY_NAME
from minikafka.wire.compile import decode, encode
from minikafka.wire.frame import (
    RequestHeader,
    read_response,
    request_frame,
    request_header,
    response_frame,
    response_header,
    response_parts,
)
from minikafka.wire.messages.cluster import ApiVersionsRequest, ApiVersionsResponse
from minikafka.wire.messages.fetch import FetchResponse
from minikafka.wire.messages.groups import HeartbeatRequest, HeartbeatResponse
from minikafka.wire.types import WireError
from tests.minikafka.wire.made_up import full


@pytest.mark.parametrize("client_id", ["kcat", "", "ü" * 200, None])
@pytest.mark.parametrize("version", [3, 4])
def test_a_request_header_is_read_up_to_the_body(version, client_id):
    """Version 4 is in the compact layout: its header ends in tags, but keeps the old form of the client id."""
    request = HeartbeatRequest(group_id="g", generation_id=3, member_id="m")
    frame = request_frame(request, version, 77, client_id)
    header = request_header(frame)
    assert header == RequestHeader(12, version, 77, client_id, len(frame) - len(encode(request, version)))
    assert decode(HeartbeatRequest, version, frame, header.position) == (request, len(frame))
    assert struct.unpack_from(">i", frame) == (len(frame) - 4,)


def test_the_bytes_of_a_request_are_those_of_the_protocol_guide():
    frame = request_frame(ApiVersionsRequest(client_software_name="a", client_software_version="1"), 3, 1, "me")
    assert frame == bytes.fromhex("00000012 0012 0003 00000001 0002 6d65 00 02 61 02 31 00".replace(" ", ""))


def test_unknown_tags_of_a_request_header_are_skipped():
    frame = bytes.fromhex("00000000 000c 0004 00000001 ffff 01 05 02 abcd") + b"body"
    assert request_header(frame) == RequestHeader(12, 4, 1, None, len(frame) - 4)


@pytest.mark.parametrize("version", [3, 4])
def test_every_cut_of_a_request_header_is_refused(version):
    frame = request_frame(HeartbeatRequest(), version, 77, "kcat")
    end = request_header(frame).position
    for cut in range(end):
        with pytest.raises(WireError):
            request_header(frame[:cut])


def test_an_unknown_api_key_is_refused():
    with pytest.raises(WireError, match="unknown api key 999"):
        request_header(struct.pack(">ihhih", 10, 999, 0, 1, -1))


def test_a_question_about_versions_from_the_future_has_a_readable_header():
    frame = struct.pack(">ihhihx", 11, 18, 99, 5, -1)
    assert request_header(frame) == RequestHeader(18, 99, 5, None, len(frame))


@pytest.mark.parametrize("api", APIS.values(), ids=lambda api: api.name)
def test_a_response_is_read_by_who_asked(api):
    for version in api.response.__versions__:
        answer = full(api.response, version)
        frame = response_frame(answer, version, 5, bool(api.response_header_version(version)))
        assert struct.unpack_from(">ii", frame) == (len(frame) - 4, 5)
        assert read_response(frame, api.response, version) == (5, answer)


def test_parts_of_a_response_make_the_same_frame():
    partition = FetchResponse.Topic.Partition(records=bytes(50_000))
    response = FetchResponse(responses=[FetchResponse.Topic(topic="t", partitions=[partition])])
    for version, tagged in ((11, False), (12, True)):
        assert b"".join(response_parts(response, version, 9, tagged)) == response_frame(response, version, 9, tagged)


def test_the_answer_about_versions_has_no_tags_in_its_header():
    api = BY_NAME["ApiVersions"]
    frame = response_frame(ApiVersionsResponse(), 3, 9, bool(api.response_header_version(3)))
    assert response_header(frame, api, 3) == (9, 8)


def test_a_response_header_cut_short_is_refused():
    frame = response_frame(HeartbeatResponse(), 4, 9, True)
    for cut in range(9):
        with pytest.raises(WireError):
            response_header(frame[:cut], BY_NAME["Heartbeat"], 4)
