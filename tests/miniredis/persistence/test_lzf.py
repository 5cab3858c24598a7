import tracemalloc
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniredis.persistence.damage import Damaged
from miniredis.persistence.lzf import compress, decompress
from tests.miniredis.persistence.real_values import bulk
from tests.oracles.real_redis import real_redis

repetitive = st.builds(
    lambda parts: b"".join(parts), st.lists(st.sampled_from([b"ab", b"abc", b"\0", b"xyz" * 9, b"q"]))
)


@given(st.binary(max_size=400) | repetitive)
def test_what_was_compressed_comes_back(data):
    packed = compress(data)
    assert packed is None or (decompress(packed, len(data)) == data and len(packed) <= len(data) - 4)


def test_a_run_of_one_letter_is_a_literal_and_back_references():
    """Two literals, then 19 bytes from one byte back: 0xe0 says nine or more, 0x0a ten more than those."""
    assert compress(b"x" * 21) == b"\x01xx\xe0\x0a\x00"


def test_a_string_that_saves_less_than_four_bytes_is_left_alone():
    assert [compress(bytes(range(100))), compress(b"abcabc"), compress(b"")] == [None, None, None]


def test_large_random_bytes_are_not_even_tried():
    assert compress(Random(1).randbytes(4_000_000)) is None


def test_the_bytes_are_those_of_liblzf():
    """What redis-server 7.0.15 puts into DUMP payloads, for texts of many lengths and kinds of repetition."""
    random = Random(7)
    words = [random.randbytes(random.randrange(1, 9)) for _ in range(60)] + [b"a" * 30, b"ab" * 20]
    texts = [b"".join(random.choices(words, k=random.randrange(4, 400))) for _ in range(150)]
    texts += [b"x" * size for size in range(21, 60)] + [b"xyz" * size for size in (9, 90, 900, 9_000)]
    with real_redis() as real:
        for text in texts:
            real.call(b"SET", b"key", text)
            payload = bulk(real.call(b"DUMP", b"key"))
            packed = compress(text)
            if packed is None:
                assert payload[1] != 0xC3
            else:
                assert payload[1] == 0xC3
                assert payload.endswith(packed, 0, len(payload) - 10)


@pytest.mark.parametrize(
    ("packed", "size", "reason"),
    [
        (b"\x05ab", 6, "a literal run goes past the end of the compressed string"),
        (b"\x00a\x20", 4, "a back reference is cut off"),
        (b"\x00a\xe0\x01", 11, "a back reference is cut off"),
        (b"\x00a\x20\x05", 4, "a back reference goes before the beginning of the string"),
        (b"\x01ab", 1, "the compressed string is longer than the 1 bytes announced"),
        (b"\x01ab", 3, "the compressed string has 2 bytes, announced were 3"),
        (b"\x00a", 1 << 60, "2 compressed bytes cannot stand for 1152921504606846976"),
    ],
)
def test_damage_is_told_and_nothing_is_allocated_for_it(packed, size, reason):
    with pytest.raises(Damaged) as damage:
        decompress(packed, size)
    assert damage.value.reason == reason


@given(st.binary(max_size=60), st.integers(0, 5_000))
def test_any_bytes_are_a_string_or_damage(packed, size):
    with suppress(Damaged):
        assert len(decompress(packed, size)) == size


def test_compressing_a_large_string_takes_little_more_memory_than_the_string():
    data = b"".join(b"%d," % number for number in range(25_000))
    tracemalloc.start()
    packed = compress(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (packed is not None, peak < 3 * len(data) + 2_500_000) == (True, True)
