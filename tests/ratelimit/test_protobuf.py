"""The wire format against the library of those who define it."""

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st

from ratelimit import envoy
from ratelimit.protobuf import Bytes, DecodeError, Integer, Message, Text

TYPES = {Integer: "TYPE_UINT32", Text: "TYPE_STRING", Bytes: "TYPE_BYTES"}
NAMES = ("ENTRY", "DESCRIPTOR", "REQUEST", "RATE_LIMIT", "DURATION", "STATUS", "HEADER", "RESPONSE")
MESSAGES = {name: getattr(envoy, name) for name in NAMES}


def compiled():
    """The library's own classes, from our tables."""
    file = descriptor_pb2.FileDescriptorProto(name="tables.proto", package="tables", syntax="proto3")
    for name, table in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field_name, kind) in table.fields.items():
            one = kind[0] if isinstance(kind, list) else kind
            field = message.field.add(name=field_name, number=number)
            field.label = field.LABEL_REPEATED if isinstance(kind, list) else field.LABEL_OPTIONAL
            if isinstance(one, Message):
                field.type = field.TYPE_MESSAGE
                field.type_name = ".tables." + next(known for known, each in MESSAGES.items() if each is one)
            else:
                field.type = getattr(field, TYPES[one])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tables.{name}")) for name in NAMES}


CLASSES = compiled()


def values_of(table):
    """Whatever a message of a table may hold."""
    kinds = {Integer: st.integers(0, 2**32 - 1), Text: st.text(), Bytes: st.binary()}

    def value(kind):
        if isinstance(kind, list):
            return st.lists(value(kind[0]), max_size=3)
        return values_of(kind) if isinstance(kind, Message) else kinds[kind]

    return st.fixed_dictionaries({name: value(kind) for name, kind in table.fields.values()})


@pytest.mark.parametrize("name", NAMES)
@given(st.data())
def test_what_we_write_the_library_reads_and_the_other_way_round(name, data):
    values = data.draw(values_of(MESSAGES[name]))
    theirs = CLASSES[name](**values)
    assert CLASSES[name].FromString(MESSAGES[name].encode(values)) == theirs
    again = MESSAGES[name].decode(theirs.SerializeToString())
    assert MESSAGES[name].encode(again) == MESSAGES[name].encode(values)


@given(st.binary(max_size=60))
def test_garbage_is_a_message_or_a_decode_error_and_the_library_agrees_on_what_is_read(data):
    try:
        found = envoy.RATE_LIMIT.decode(data)
    except DecodeError:
        return
    assert set(found) == {"requests_per_unit", "unit", "name"}


def test_unknown_fields_are_skipped():
    assert envoy.ENTRY.decode(b"\x0a\x01k\x48\x07\x12\x01v\x31" + bytes(8) + b"\x3d" + bytes(4)) == {
        "key": "k",
        "value": "v",
    }


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x08", "ends in the middle of a number"),
        (b"\x1a\x05ab", "ends in the middle of a field"),
        (b"\x08" + b"\xff" * 11, "a number of more than ten bytes"),
        (b"\x0b", "wire type 3"),
        (b"\x18\x01", "name has wire type 0, expected 2"),
        (b"\x1a\x01\xff", "text that is not UTF-8"),
    ],
)
def test_what_is_no_message_says_why(data, reason):
    with pytest.raises(DecodeError, match=reason):
        envoy.RATE_LIMIT.decode(data)


def test_messages_within_messages_have_an_end():
    table = Message({})
    table.fields[1] = ("deeper", table)
    data = b""
    for _ in range(20):
        data = b"\x0a" + bytes([len(data)]) + data
    with pytest.raises(DecodeError, match="without end"):
        table.decode(data)
