import io
from itertools import chain

import pytest

from miniredis.persistence.rdb_values import make_set
from miniredis.persistence.rdb_writer import CHUNK, Encoding, Keyspace, length, string, write
from tests.miniredis.persistence.keyspaces import AUX, LIMITS, everything, keyspaces, saved
from tests.miniredis.persistence.real_values import bulk, check_rdb, contents, plain
from tests.oracles.real_redis import real_redis


def test_a_small_file_is_as_the_format_draws_it():
    """rdb.c, rdbSaveRio: header, aux, select, sizes, keys, end, checksum."""
    data = saved({2: [(b"k", b"v", None), (b"e", b"300", 1)]}, checksum=False)
    begin, _, rest = data.partition(b"\xfe")
    assert begin == (
        b"REDIS0010\xfa\x09redis-ver\x057.2.5\xfa\x0aredis-bits\xc0\x40\xfa\x05ctime\xc2\x00\xf1\x53\x65"
        b"\xfa\x08used-mem\xc2\x40\x42\x0f\x00\xfa\x08aof-base\xc0\x00"
    )
    assert rest == (b"\x02\xfb\x02\x01\x00\x01k\x01v\xfc\x01\0\0\0\0\0\0\0\x00\x01e\xc1\x2c\x01\xff" + b"\0" * 8)


@pytest.mark.parametrize(
    ("number", "encoded"),
    [
        (0, "00"),
        (63, "3f"),
        (64, "4040"),
        (16383, "7fff"),
        (16384, "8000004000"),
        (2**32 - 1, "80ffffffff"),
        (2**32, "810000000100000000"),
    ],
)
def test_a_length_takes_as_few_bytes_as_can_be(number, encoded):
    assert length(number).hex() == encoded


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        (b"", b"\x00"),
        (b"-128", b"\xc0\x80"),
        (b"128", b"\xc1\x80\x00"),
        (b"-32769", b"\xc2\xff\x7f\xff\xff"),
        (b"2147483648", b"\x0a2147483648"),
        (b"007", b"\x03007"),
        (b"x" * 20, b"\x14" + b"x" * 20),
        (b"x" * 21, b"\xc3\x06\x15\x01xx\xe0\x0a\x00"),
    ],
)
def test_a_string_is_an_integer_or_compressed_where_that_is_shorter(text, encoded):
    assert string(text) == encoded


def test_chunks_stay_near_their_size_and_make_one_file():
    chunks = list(write(keyspaces(everything()), aux=AUX))
    inner = [len(chunk) for chunk in chunks[:-2]]
    assert (b"".join(chunks), min(inner) >= CHUNK) == (saved(everything()), True)


def test_idle_time_and_frequency_are_written_before_the_key_when_asked_for():
    entries = [(b"k", b"v", None)]
    recent = Keyspace(0, 1, 0, entries, idle_seconds=lambda key: 100)
    frequent = Keyspace(0, 1, 0, entries, frequency=lambda key: 7)
    tails = [b"".join(write([space], aux={})).partition(b"\xfb\x01\x00")[2][:-9] for space in (recent, frequent)]
    assert tails == [b"\xf8\x40\x64\x00\x01k\x01v", b"\xf9\x07\x00\x01k\x01v"]


def test_a_small_set_is_a_listpack_only_from_version_11_on():
    """Redis 7.2's format (RDB_TYPE_SET_LISTPACK, 20), which the server at hand does not read."""
    databases = {0: [(b"s", make_set([b"a", b"b"], LIMITS), None)]}
    old, new = (saved(databases, Encoding(version=version)) for version in (10, 11))
    assert b"\x02\x01s\x02\x01a\x01b\xff" in old
    assert b"\x14\x01s\x0d\x0d\0\0\0\x02\0\x81a\x02\x81b\x02\xff\xff" in new


@pytest.mark.parametrize("compress", [True, False])
def test_the_real_server_loads_our_file_with_every_type(tmp_path, compress):
    """redis-server 7.0.15 finds what we wrote, and redis-check-rdb no fault."""
    databases = everything()
    path = tmp_path / "dump.rdb"
    path.write_bytes(saved(databases, Encoding(compress=compress)))
    count = sum(map(len, databases.values()))
    assert f"[info] {count} keys read" in check_rdb(path)
    with real_redis(folder=tmp_path) as real:
        found = contents(real)
    assert found == {
        (index, key): (plain(value), -1 if at_ms is None else at_ms)
        for index, entries in databases.items()
        for key, value, at_ms in entries
    }


def test_the_real_server_gives_the_same_encodings(tmp_path):
    """Lists have no listpack before 7.2, small sets none either."""
    databases = everything()
    (tmp_path / "dump.rdb").write_bytes(saved(databases))
    with real_redis(folder=tmp_path) as real:
        for index, key, value in ((i, key, value) for i, entries in databases.items() for key, value, _ in entries):
            if ours := getattr(value, "encoding", None):
                real.call(b"SELECT", b"%d" % index)
                theirs = bulk(real.call(b"OBJECT", b"ENCODING", key)).decode()
                older = {"list": "quicklist", "set": "hashtable"} if ours == "listpack" else {}
                kind = real.call(b"TYPE", key).strip(b"+\r\n").decode()
                assert theirs == older.get(kind, ours), key


def test_plain_nodes_are_read_by_the_real_server(tmp_path):
    """Type 18 with container 1."""
    databases = {0: [(key, value, at) for key, value, at in everything()[0] if key.startswith(b"list of")]}
    path = tmp_path / "dump.rdb"
    path.write_bytes(saved(databases, Encoding(packed_threshold=5_000)))
    check_rdb(path)
    with real_redis(folder=tmp_path) as real:
        assert {key: value for (_, key), (value, _) in contents(real).items()} == {
            key: list(value) for key, value, _ in databases[0]
        }


def test_a_file_without_keys_is_a_file(tmp_path):
    path = tmp_path / "dump.rdb"
    path.write_bytes(saved({}))
    assert "[info] 0 keys read" in check_rdb(path)


def test_other_versions_are_not_written():
    with pytest.raises(ValueError, match="RDB version 9 is not written"):
        saved({}, Encoding(version=9))


def test_nothing_is_kept_of_what_was_written():
    """A generator of entries is walked once, as the chunks are taken."""
    walked = []

    def entries():
        for number in range(100_000):
            walked.append(number)
            yield b"key:%d" % number, b"value", None

    chunks = write([Keyspace(0, 100_000, 0, entries())], aux={})
    first = next(chunks)
    assert (len(first) < 2 * CHUNK, len(walked) < 10_000) == (True, True)
    whole = io.BytesIO(b"".join(chain([first], chunks)))
    assert (len(walked), whole.getbuffer().nbytes > 1_000_000) == (100_000, True)
