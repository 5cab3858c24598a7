from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniredis.persistence.crc64 import crc64
from miniredis.persistence.damage import Damaged
from miniredis.persistence.dump import dump, is_intact, load
from miniredis.persistence.rdb_writer import Encoding
from tests.miniredis.persistence.keyspaces import LIMITS, everything, shape
from tests.miniredis.persistence.real_values import bulk, parsed
from tests.oracles.real_redis import real_redis

VALUES = [value for entries in everything().values() for _, value, _ in entries]


def test_a_payload_is_type_value_version_and_checksum():
    """`cluster.c`, createDumpPayload."""
    body = b"\x00\xc0\x0a\x0a\x00"
    assert dump(b"10") == body + crc64(body).to_bytes(8, "little")


@pytest.mark.parametrize("encoding", [Encoding(), Encoding(version=11), Encoding(compress=False)])
def test_what_was_dumped_is_loaded(encoding):
    payloads = [dump(value, encoding) for value in VALUES]
    assert all(map(is_intact, payloads))
    assert [shape(load(payload, LIMITS)) for payload in payloads] == [shape(value) for value in VALUES]


def random_commands(random: Random) -> tuple[bytes, ...]:
    """A write that makes a value whose DUMP does not depend on the order of a hash table."""
    count = random.choice([1, 3, 8, 100, 700])
    words = [random_word(random) for _ in range(count)]
    kind = random.randrange(5)
    if kind == 0:
        return b"SET", b"k", b" ".join(words)
    if kind == 1:
        return b"RPUSH", b"k", *words
    if kind == 2:
        width = 10 ** random.randrange(1, 19)
        return b"SADD", b"k", *(b"%d" % random.randrange(-width, width) for _ in words[:400])
    if kind == 3:
        return b"HSET", b"k", *(part for word in words[:100] for part in (word[:64], word[:60]))
    return b"ZADD", b"k", *(part for word in words for part in (b"%d" % random.randrange(-300, 9000), word))


def random_word(random: Random) -> bytes:
    kind = random.randrange(4)
    if kind == 0:
        width = 10 ** random.randrange(1, 19)
        return b"%d" % random.randrange(-width, width)
    if kind == 1:
        return random.randbytes(random.randrange(0, 90))
    return b"x" * random.randrange(200) if kind == 2 else b"word:%d" % random.randrange(50)


def test_payloads_are_those_of_the_real_server_byte_for_byte():
    """redis-server 7.0.15, whose listpacks hold the same bytes as long as scores are whole numbers."""
    random = Random(5)
    with real_redis() as real:
        for _ in range(300):
            real.call(b"DEL", b"k")
            command = random_commands(random)
            assert real.call(*command)[:1] in b"+:"
            payload = bulk(real.call(b"DUMP", b"k"))
            assert dump(load(payload, LIMITS)) == payload, command


def test_payloads_of_hash_tables_hold_the_same_in_another_order():
    with real_redis() as real:
        real.call(b"SADD", b"k", *(b"member:%d" % number for number in range(300)))
        payload = bulk(real.call(b"DUMP", b"k"))
    ours = dump(load(payload, LIMITS))
    assert (len(ours), sorted(ours[:-10])) == (len(payload), sorted(payload[:-10]))


def test_the_real_server_restores_every_payload():
    """Same digest of the value, as DEBUG DIGEST-VALUE of redis-server 7.0.15 counts it."""
    with real_redis("--enable-debug-command", "yes") as real:
        for number, value in enumerate(VALUES):
            key = b"%d" % number
            assert real.call(b"RESTORE", key, b"0", dump(value)) == b"+OK\r\n"
            again = dump(load(bulk(real.call(b"DUMP", key)), LIMITS))
            assert real.call(b"RESTORE", b"again", b"0", again, b"REPLACE") == b"+OK\r\n"
            first, second = parsed(real.call(b"DEBUG", b"DIGEST-VALUE", key, b"again"))
            assert first == second != "0" * 40


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"123456789",
        dump(b"x")[:-1],
        dump(b"x")[:-1] + b"\x00",
        dump(b"x", Encoding(version=12)),
        b"\x00\x01y" + dump(b"x")[3:],
    ],
)
def test_a_payload_that_is_cut_changed_or_of_the_future_is_not_intact(payload):
    assert not is_intact(payload)


def sealed(body: bytes) -> bytes:
    """`body` with a version and a checksum that are right: what a malicious client would send."""
    return (body := body + b"\x0a\x00") + crc64(body).to_bytes(8, "little")


@pytest.mark.parametrize(
    "body", [b"\x02\x00", b"\x0f\x00", b"\x07\x00", b"\x08", b"\xfe\x00", b"\x00\x3fabc", b"\x00\xc4", b"\x10\x01\xff"]
)
def test_an_intact_payload_without_a_value_we_keep_is_damage(body):
    with pytest.raises(Damaged):
        load(sealed(body), LIMITS)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_but_sealed_payload_is_a_value_or_damage(data):
    body = bytearray(dump(data.draw(st.sampled_from([value for value in VALUES if len(value) < 1000])))[:-10])
    for _ in range(data.draw(st.integers(0, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        value = load(sealed(bytes(body)), LIMITS)
    except Damaged:
        return
    assert load(dump(value), LIMITS) is not None
