"""What a broker says it speaks, and what it does with what it does not speak."""

import struct

from minikafka.wire.messages.cluster import ApiVersionsRequest
from tests.golden.play import Stage, Theme

theme = Theme("versions", "ApiVersions, refused versions, and frames that are none")


@theme.story_by_version("ApiVersions")
def what_do_you_speak(stage: Stage, version: int) -> None:
    """Features come with version 3; those with a minimum of 0 only with version 4."""
    a = stage.connect()
    a.ask(ApiVersionsRequest(client_software_name="golden", client_software_version="1.0"), version)


@theme.story
def a_version_yet_to_come(stage: Stage) -> None:
    """ApiVersions asked too high is answered in version 0, with the versions of ApiVersions alone, so that the client can
    ask again on the same connection."""
    a = stage.connect()
    a.raw("ApiVersions 5", frame(18, 5, b"\0\7golden\x041.0\0")).answer()
    a.raw("ApiVersions 99", frame(18, 99, b"\0")).answer()
    a.ask(ApiVersionsRequest(client_software_name="golden", client_software_version="1.0"), 4)


@theme.story
def names_of_client_software(stage: Stage) -> None:
    """Letters, digits, dots and dashes, beginning and ending with one of the first two; otherwise INVALID_REQUEST."""
    a = stage.connect()
    for name, software_version in [("", ""), ("a b", "1"), ("-a", "1"), ("a", "1-"), ("a", "1.0-rc.1"), ("a_b", "1")]:
        a.ask(ApiVersionsRequest(client_software_name=name, client_software_version=software_version), 3)


def refused(name: str, key: int, version: int, body: bytes = b"") -> None:
    """A request in a version that is not served: the connection ends without an answer."""

    def story(stage: Stage) -> None:
        """Only ApiVersions is answered in a version that is not served; the end of the connection is the answer to
        every other."""
        stage.connect().raw(f"{name} {version}", frame(key, version, body)).closed()

    story.__name__ = f"refused_{name}_{version}"
    theme.story(story)


def frame(key: int, version: int, body: bytes, client_id: bytes = b"golden") -> bytes:
    """A request by hand: size, header version 1, body.  Of a flexible version the body begins with the header's tags."""
    header = struct.pack(">hhih", key, version, 1, len(client_id)) + client_id
    return struct.pack(">i", len(header) + len(body)) + header + body


refused("Produce", 0, 2, struct.pack(">hii", 1, 1000, 0))
refused("Produce", 0, 0, struct.pack(">hii", 1, 1000, 0))
refused("Produce", 0, 99)
refused("Fetch", 1, 3, struct.pack(">iiiii", -1, 0, 0, 1024, 0))
refused("Fetch", 1, 99)
refused("ListOffsets", 2, 0, struct.pack(">ii", -1, 0))
refused("ListOffsets", 2, 99)
refused("Metadata", 3, 99)
refused("LeaderAndIsr", 4, 0)
refused("StopReplica", 5, 0)
refused("UpdateMetadata", 6, 0)
refused("ControlledShutdown", 7, 0)
refused("OffsetCommit", 8, 1, struct.pack(">h", 0))
refused("OffsetCommit", 8, 99)
refused("OffsetFetch", 9, 0, struct.pack(">hi", 0, 0))
refused("OffsetFetch", 9, 99)
refused("FindCoordinator", 10, 99)
refused("JoinGroup", 11, 99)
refused("Heartbeat", 12, 99)
refused("LeaveGroup", 13, 99)
refused("SyncGroup", 14, 99)
refused("DescribeGroups", 15, 99)
refused("ListGroups", 16, 99)
refused("CreateTopics", 19, 1)
refused("CreateTopics", 19, 99)
refused("DeleteTopics", 20, 0)
refused("DeleteTopics", 20, 99)
refused("InitProducerId", 22, 99)
refused("OffsetForLeaderEpoch", 23, 1)
refused("OffsetForLeaderEpoch", 23, 99)
refused("DescribeConfigs", 32, 0)
refused("DescribeConfigs", 32, 99)
refused("AlterConfigs", 33, 99)
refused("CreatePartitions", 37, 99)
refused("DeleteGroups", 42, 99)
refused("ElectLeaders", 43, 99)
refused("IncrementalAlterConfigs", 44, 99)
refused("OffsetDelete", 47, 99)
refused("BrokerRegistration", 62, 0)
refused("an_unknown_key", 9999, 0)
refused("a_negative_key", -1, 0)


def malformed(name: str, data: bytes, reader: str = "ApiVersions", version: int = 0) -> None:
    """Bytes after which a broker hangs up; but for lengths, of which any below 0 means null."""

    def story(stage: Stage) -> None:
        """What cannot be read is not answered: the connection ends.  A length below -1 reads as -1."""
        stage.connect().raw(name.replace("_", " "), data, reader, version).either()

    story.__name__ = name
    theme.story(story)


malformed("a_size_below_zero", struct.pack(">i", -1))
malformed("a_size_beyond_socket_request_max_bytes", struct.pack(">i", 104857601))
malformed("an_empty_frame", struct.pack(">i", 0))
malformed("a_header_cut_short", struct.pack(">ihh", 4, 18, 0))
malformed("a_client_id_beyond_the_frame", struct.pack(">ihhih", 10, 18, 0, 1, 100))
malformed("a_client_id_of_a_wrong_length", struct.pack(">ihhih", 10, 18, 0, 1, -2))
malformed("a_body_cut_short", frame(3, 1, struct.pack(">ih", 1, 5) + b"ab"))
malformed("a_count_beyond_the_frame", frame(3, 1, struct.pack(">i", 2**31 - 1)))
malformed("a_count_below_minus_one", frame(3, 1, struct.pack(">i", -2)), "Metadata", 1)
malformed("a_count_below_minus_one_where_null_may_not_be", frame(15, 0, struct.pack(">i", -2)))
malformed("a_string_length_below_minus_one", frame(10, 0, struct.pack(">h", -2)))
malformed("a_new_version_with_an_old_header", frame(18, 99, b""))
malformed("a_boolean_of_two", frame(3, 4, struct.pack(">ib", 0, 2)), "Metadata", 4)
malformed("null_where_none_may_be", frame(12, 0, struct.pack(">hih", -1, 0, 0)))
malformed("tags_cut_short", frame(3, 9, b"\1"))


@theme.story
def no_client_id(stage: Stage) -> None:
    """A client need not say who it is."""
    a = stage.connect()
    a.raw("ApiVersions 0 without client id", struct.pack(">ihhih", 10, 18, 0, 1, -1)).answer()
    a.raw("ApiVersions 0 with an empty one", struct.pack(">ihhih", 10, 18, 0, 2, 0)).answer()


@theme.story
def bytes_behind_the_body(stage: Stage) -> None:
    """Bytes behind the last field belong to no field, and to no harm."""
    a = stage.connect()
    a.raw("ApiVersions 0 and seven bytes", frame(18, 0, b"further")).answer()


@theme.story
def unknown_tags(stage: Stage) -> None:
    """Tagged fields that nobody knows are skipped, in the header and in the body (KIP-482)."""
    a = stage.connect()
    a.raw("ApiVersions 3, tag 9 in header", frame(18, 3, b"\1\x09\3abc" + b"\7golden\x041.0\0"), version=3).answer()
    a.raw("ApiVersions 3, tag 9 in body", frame(18, 3, b"\0" + b"\7golden\x041.0\1\x09\3abc"), version=3).answer()


@theme.story
def answers_come_in_order(stage: Stage) -> None:
    """Three questions in one write: three answers, as they were asked."""
    a = stage.connect()
    held = [a.send(ApiVersionsRequest(), 0) for _ in range(3)]
    for question in held:
        question.answer()
