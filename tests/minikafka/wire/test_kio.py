"""A second opinion: kio, whose codec is generated from Kafka's JSON, reads what we write, and we read what it writes."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kio.index import load_request_schema, load_response_schema
from kio.schema.index import api_key_map, schema_name_map
from kio.serial import entity_reader, entity_writer
from kio.static.constants import EntityType

from minikafka.wire.apis import APIS
from minikafka.wire.compile import decode, encode, encode_parts
from tests.minikafka.wire.declared import name_of
from tests.minikafka.wire.made_up import structs


class Sink:
    """What kio writes into."""

    def __init__(self):
        self.data = bytearray()

    def write(self, data):
        self.data += data


def through_kio(schema, data):
    """Decoded and encoded again by kio."""
    value, size = entity_reader(schema)(data, 0)
    assert size == len(data)
    sink = Sink()
    entity_writer(schema)(sink, value)
    return bytes(sink.data)


CASES = [
    (cls, load, kind)
    for key, api in APIS.items()
    if key in api_key_map
    for cls, load, kind in (
        (api.request, load_request_schema, EntityType.request),
        (api.response, load_response_schema, EntityType.response),
    )
]


@pytest.mark.parametrize(("cls", "load", "kind"), CASES, ids=[name_of(cls) for cls, _, _ in CASES])
@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_kio_writes_the_bytes_that_we_wrote_and_we_read_them(cls, load, kind, data):
    known = [
        version
        for version in cls.__versions__
        if kind in schema_name_map[api_key_map[cls.__api_key__]].get(version, {})
    ]
    version = data.draw(st.sampled_from(known))
    value = data.draw(structs(cls, version))
    encoded = encode(value, version)
    theirs = through_kio(load(cls.__api_key__, version), encoded)
    assert decode(cls, version, theirs) == (value, len(theirs))
    assert b"".join(encode_parts(value, version)) == encoded


def test_kio_knows_every_kind_of_message_we_declare():
    missing = [api.name for key, api in APIS.items() if key not in api_key_map]
    assert missing == MISSING


MISSING = ["MetadataFetch"]
"""Our own."""
