import struct
import tracemalloc
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from miniredis.persistence import intset, listpack
from miniredis.persistence.rdb_format import RdbError, RdbRefused
from miniredis.persistence.rdb_reader import Aux, Entry, Notice, TableSizes
from miniredis.persistence.rdb_values import make_hash, make_list
from miniredis.persistence.rdb_writer import Encoding, length
from tests.miniredis.persistence import old_encodings as old
from tests.miniredis.persistence.keyspaces import (
    FAR,
    LIMITS,
    entries_of,
    events,
    everything,
    reader,
    saved,
    shape,
)
from tests.miniredis.persistence.real_values import check_rdb, contents, plain
from tests.oracles.real_redis import real_redis

ELEMENTS = [b"one", b"2", b"-300", b"70000", b"-9000000", b"5000000000", b"", b"x" * 300]
PAIRS = {b"field": b"value", b"2": b"x" * 300, b"": b"0"}
EMPTY_NODE = old.raw(listpack.encode([]))
FLAT = [part for pair in PAIRS.items() for part in pair]

OLD_VALUES = {
    "LIST": (old.key(1, b"k", length(8) + b"".join(map(old.raw, ELEMENTS))), ELEMENTS),
    "SET": (old.key(2, b"k", length(8) + b"".join(map(old.raw, ELEMENTS))), set(ELEMENTS)),
    "ZSET with scores as text": (
        old.key(3, b"k", b"\x05\x01a\xff\x01b\xfe\x01c\x043.25\x01d\x05-2e10\x01e\x1217.100000000000001"),
        {b"a": float("-inf"), b"b": float("inf"), b"c": 3.25, b"d": -2e10, b"e": 17.100000000000001},
    ),
    "HASH": (old.key(4, b"k", length(3) + b"".join(map(old.raw, FLAT))), PAIRS),
    "ZSET_2": (
        old.key(5, b"k", b"\x02\x01a" + struct.pack("<d", 0.1) + b"\x01b" + struct.pack("<d", -1e300)),
        {b"a": 0.1, b"b": -1e300},
    ),
    "HASH_ZIPMAP": (old.key(9, b"k", old.raw(old.zipmap(PAIRS, free=2))), PAIRS),
    "LIST_ZIPLIST": (old.key(10, b"k", old.raw(old.ziplist(ELEMENTS))), ELEMENTS),
    "SET_INTSET": (old.key(11, b"k", old.raw(intset.encode([5, -70_000]))), {b"5", b"-70000"}),
    "ZSET_ZIPLIST": (
        old.key(12, b"k", old.raw(old.ziplist([b"low", b"-inf", b"a", b"0.5", b"b", b"12"]))),
        {b"low": float("-inf"), b"a": 0.5, b"b": 12.0},
    ),
    "HASH_ZIPLIST": (old.key(13, b"k", old.raw(old.ziplist(FLAT))), PAIRS),
    "LIST_QUICKLIST": (
        old.key(14, b"k", b"\x02" + old.raw(old.ziplist(ELEMENTS)) + old.raw(old.ziplist([b"last"]))),
        [*ELEMENTS, b"last"],
    ),
    "HASH_LISTPACK": (old.key(16, b"k", old.raw(listpack.encode(FLAT))), PAIRS),
    "ZSET_LISTPACK": (old.key(17, b"k", old.raw(listpack.encode([b"a", b"7", b"b", b"7.5"]))), {b"a": 7.0, b"b": 7.5}),
    "LIST_QUICKLIST_2": (
        old.key(18, b"k", b"\x03\x02" + old.raw(listpack.encode(ELEMENTS)) + b"\x01\x05plain\x02" + EMPTY_NODE),
        [*ELEMENTS, b"plain"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", OLD_VALUES)
def test_every_type_built_by_hand_is_read_as_the_real_server_reads_it(tmp_path, kind):
    """The real one is redis-server 7.0.15."""
    piece, expected = OLD_VALUES[kind]
    data = old.file(6, b"\xfe\x00", piece)
    (found,) = entries_of(events(data))
    assert (found.database, found.key, plain(found.value)) == (0, b"k", expected)
    (tmp_path / "dump.rdb").write_bytes(data)
    with real_redis(folder=tmp_path) as real:
        assert contents(real) == {(0, b"k"): (expected, -1)}


@pytest.mark.parametrize("version", [1, 2, 4, 5, 6, 7, 8, 9, 10])
def test_every_version_is_read_as_the_real_server_reads_it(tmp_path, version):
    """Before version 5 a file has no checksum; seconds were the unit of expiry before version 3."""
    pieces = [b"\xfe\x05", b"\xfd" + struct.pack("<I", 2_000_000_000) + old.key(0, b"k", b"\x01v")]
    data = old.file(version, *pieces)
    assert events(data) == [Entry(5, b"k", b"v", 2_000_000_000_000, None, None)]
    (tmp_path / "dump.rdb").write_bytes(data)
    with real_redis(folder=tmp_path) as real:
        assert contents(real) == {(5, b"k"): (b"v", 2_000_000_000_000)}


def test_a_set_as_a_listpack_is_read():
    """RDB_TYPE_SET_LISTPACK of version 11: by the published format (Redis 7.2 `rdb.h`, `rdb.c`) alone, as the server
    at hand is older."""
    data = old.file(11, b"\xfe\x00", old.key(20, b"k", old.raw(listpack.encode([b"b", b"5", b"a"]))))
    (found,) = entries_of(events(data))
    assert shape(found.value) == ("Set", "listpack", {b"b": None, b"5": None, b"a": None})


@pytest.mark.parametrize("encoding", [Encoding(), Encoding(compress=False), Encoding(version=11)])
@pytest.mark.parametrize("piece", [1 << 20, 1000])
def test_what_was_saved_is_loaded(encoding, piece):
    databases = everything()
    found = entries_of(events(saved(databases, encoding), piece))
    assert [(e.database, e.key, shape(e.value), e.expires_at_ms) for e in found] == [
        (index, key, shape(value), at_ms) for index, entries in databases.items() for key, value, at_ms in entries
    ]


def test_huge_values_go_both_ways(tmp_path):
    """A string of 8 MB that shrinks, one of 8 MB that does not, a list of 100,000 and a hash of 50,000."""
    noise = Random(1).randbytes(8_000_000)
    many = [b"%d" % (number * number) for number in range(100_000)]
    ours = {0: [(b"even", bytes(8_000_000), None), (b"noise", noise, None), (b"hash", make_hash(many, LIMITS), None),
                (b"list", make_list(many, LIMITS), None)]}  # fmt: skip
    path = tmp_path / "dump.rdb"
    path.write_bytes(saved(ours))
    expected = {(0, key): (plain(value), -1) for key, value, _ in ours[0]}
    with real_redis(folder=tmp_path) as real:
        assert contents(real, 1) == expected
        real.call(b"SAVE")
    data = path.read_bytes()
    assert {(e.database, e.key): (plain(e.value), -1) for e in entries_of(events(data, size=len(data)))} == expected


@pytest.mark.parametrize("piece", range(1, 12))
def test_the_same_events_come_wherever_the_file_is_cut(piece):
    small = {0: everything()[0][:12], 15: everything()[15][:1]}
    data = saved(small)
    whole = [(type(event), event[:2]) for event in events(data)]
    assert [(type(event), event[:2]) for event in events(data, piece)] == whole


def test_what_the_real_server_saves_is_loaded(tmp_path):
    with real_redis(folder=tmp_path) as real:
        for words in REAL_COMMANDS:
            assert not real.call(*words).startswith(b"-"), words
        expected = contents(real)
        assert real.call(b"SAVE") == b"+OK\r\n"
    data = (tmp_path / "dump.rdb").read_bytes()
    found = events(data, size=len(data), databases=16)
    assert {
        (e.database, e.key): (plain(e.value), -1 if e.expires_at_ms is None else e.expires_at_ms)
        for e in entries_of(found)
    } == expected
    names = [event.name for event in found if isinstance(event, Aux)]
    assert names == [b"redis-ver", b"redis-bits", b"ctime", b"used-mem", b"aof-base"]
    assert [event for event in found if isinstance(event, TableSizes)] == [TableSizes(0, 13, 1), TableSizes(9, 1, 0)]


BIG = [b"element:%d" % number for number in range(3_000)]
REAL_COMMANDS = [
    (b"SET", b"number", b"12345"),
    (b"SET", b"\x00\xff\r\n", bytes(range(256)), b"PXAT", b"4000000000123"),
    (b"SET", b"text", b"the quick brown fox jumps over the lazy dog; " * 20_000),
    (b"RPUSH", b"small list", *ELEMENTS),
    (b"RPUSH", b"large list", *BIG, b"y" * 10_000),
    (b"SADD", b"intset", b"1", b"-70000"),
    (b"SADD", b"small set", b"1", b"a"),
    (b"SADD", b"large set", *BIG),
    (b"HSET", b"small hash", b"f", b"1", b"g", b""),
    (b"HSET", b"large hash", *BIG),
    (b"ZADD", b"small zset", b"-inf", b"a", b"0.1", b"b", b"5", b"c"),
    (b"ZADD", b"large zset", *(part for index, member in enumerate(BIG) for part in (b"%r" % (index / 7), member))),
    (b"SETBIT", b"bits", b"8000000", b"1"),
    (b"SELECT", b"9"),
    (b"SET", b"elsewhere", b""),
]


def test_quicklists_compressed_in_memory_and_plain_nodes_are_loaded(tmp_path):
    """list-compress-depth and DEBUG QUICKLIST-PACKED-THRESHOLD shape what redis-server 7.0.15 saves."""
    with real_redis("--list-compress-depth", "1", "--enable-debug-command", "yes", folder=tmp_path) as real:
        real.call(b"DEBUG", b"QUICKLIST-PACKED-THRESHOLD", b"500")
        elements = [*BIG, b"z" * 600, *BIG, b"y" * 700]
        real.call(b"RPUSH", b"list", *elements)
        real.call(b"SAVE")
    (found,) = entries_of(events((tmp_path / "dump.rdb").read_bytes()))
    assert list(found.value) == elements


@pytest.mark.parametrize(("policy", "field", "value"), [("allkeys-lru", 4, 0), ("allkeys-lfu", 5, 5)])
def test_idle_time_and_frequency_are_told(tmp_path, policy, field, value):
    with real_redis("--maxmemory-policy", policy, folder=tmp_path) as real:
        real.call(b"SET", b"k", b"v")
        real.call(b"SAVE")
    (found,) = entries_of(events((tmp_path / "dump.rdb").read_bytes()))
    assert (found[field], found[9 - field]) == (value, None)


def test_settings_of_this_server_decide_the_encoding():
    wide = old.raw(listpack.encode([b"%d" % number for number in range(1200)]))
    data = old.file(
        10,
        old.key(16, b"hash", wide),
        old.key(17, b"zset", wide),
        old.key(11, b"set", old.raw(intset.encode(range(600)))),
    )
    encodings = [entry.value.encoding for entry in entries_of(events(data))]
    assert encodings == ["hashtable", "skiplist", "hashtable"]


@pytest.mark.parametrize(
    ("members", "encoding"),
    [
        ([b"%d" % n for n in range(512)], "intset"),
        ([b"%d" % n for n in range(513)], "hashtable"),
        ([b"m%d" % n for n in range(128)], "listpack"),
        ([b"m%d" % n for n in range(129)], "hashtable"),
        ([b"m" * 64], "listpack"),
        ([b"m" * 65], "hashtable"),
    ],
)
def test_a_plain_set_gets_the_encoding_it_would_have_grown_into(members, encoding):
    data = old.file(10, old.key(2, b"k", length(len(members)) + b"".join(map(old.raw, members))))
    assert [entry.value.encoding for entry in entries_of(events(data))] == [encoding]


def test_a_list_of_more_than_one_node_stays_a_quicklist():
    """Redis 7.2 turns only a single packed node into a listpack."""
    node = b"\x02" + old.raw(listpack.encode([b"a"]))
    data = old.file(
        10,
        old.key(18, b"one", b"\x01" + node),
        old.key(18, b"two", b"\x02" + node + node),
        old.key(18, b"plain", b"\x01\x01\x01a"),
        old.key(14, b"old", b"\x01" + old.raw(old.ziplist([b"a"]))),
    )
    assert [entry.value.encoding for entry in entries_of(events(data))] == [
        "listpack",
        "quicklist",
        "quicklist",
        "listpack",
    ]


def test_a_large_collection_has_places_to_stop():
    data = saved({0: [entry for entry in everything()[3] if entry[0].startswith(b"large")]})
    stops = [event for event in reader(data).events() if event is None]
    assert len(stops) == 8  # 4,000 members, 2,000 fields and values, 1,024 at a time


# -- what is left out, and what is refused ---------------------------------------------------------------------------


def test_what_a_module_keeps_beside_the_keys_is_skipped_with_a_message():
    """Redis `rdb.c`, rdbSaveSingleModuleAux: a number that spells a name, then pieces that say their types."""
    number = 0
    for letter in "mymodule1":
        number = number << 6 | "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".index(letter)
    aux = b"\xf7\x81" + struct.pack(">Q", number << 10 | 3) + b"\x02\x01" + b"\x01\x05\x05\x03abc\x03" + b"\0" * 4
    data = old.file(9, aux + b"\x04" + b"\0" * 8 + b"\x00", old.key(0, b"k", b"\x01v"))
    assert events(data) == [
        Notice("left out what the module mymodule1 keeps beside the keys"),
        Entry(0, b"k", b"v", None, None, None),
    ]


def test_an_empty_collection_is_left_out_with_a_message():
    """Redis once had a bug that saved such; it skips them too."""
    data = old.file(10, old.key(2, b"empty", b"\x00"), old.key(0, b"k", b"\x01v"))
    assert events(data) == [
        Notice("left out database 0, key b'empty': an empty collection"),
        Entry(0, b"k", b"v", None, None, None),
    ]


@pytest.mark.parametrize("kind", [15, 19, 21])
def test_a_stream_is_refused_by_name_and_place(kind):
    data = old.file(10, b"\xfe\x03", old.key(kind, b"events", b""))
    with pytest.raises(RdbRefused) as refusal:
        events(data)
    assert (refusal.value.position, refusal.value.reason) == (
        11,
        "database 3, key b'events': a stream, which is not supported",
    )


def test_a_stream_that_the_real_server_saved_is_refused(tmp_path):
    with real_redis(folder=tmp_path) as real:
        real.call(b"XADD", b"events", b"*", b"field", b"value")
        real.call(b"SAVE")
    with pytest.raises(RdbRefused, match="database 0, key b'events': a stream"):
        events((tmp_path / "dump.rdb").read_bytes())


def test_a_function_library_that_the_real_server_saved_is_refused(tmp_path):
    with real_redis(folder=tmp_path) as real:
        code = b"#!lua name=lib\nredis.register_function('f', function() return 1 end)"
        assert real.call(b"FUNCTION", b"LOAD", code) == b"$3\r\nlib\r\n"
        real.call(b"SAVE")
    with pytest.raises(RdbRefused, match="a function library"):
        events((tmp_path / "dump.rdb").read_bytes())


def test_a_module_value_is_refused():
    with pytest.raises(RdbRefused, match="database 0, key b'k': a module's value"):
        events(old.file(10, old.key(7, b"k", b"\x00")))


def test_a_database_that_is_not_there_is_an_error():
    with pytest.raises(RdbError, match="database 16 is selected, but there are only 16"):
        events(old.file(10, b"\xfe\x10"), databases=16)


# -- the end of the file ---------------------------------------------------------------------------------------------


def test_a_wrong_checksum_is_an_error_at_its_place():
    data = old.file(10, old.key(0, b"k", b"\x01v"), checksum=b"\x01" * 8)
    with pytest.raises(RdbError) as error:
        events(data)
    assert (error.value.position, error.value.reason[:30]) == (len(data) - 8, "wrong checksum: the file says ")


def test_a_wrong_checksum_is_not_looked_at_when_told_so():
    data = old.file(10, old.key(0, b"k", b"\x01v"), checksum=b"\x01" * 8)
    assert events(data, verify=False) == [Entry(0, b"k", b"v", None, None, None)]


def test_a_checksum_of_zero_means_that_there_is_none():
    data = saved({0: [(b"k", b"v", None)]}, checksum=False)
    assert events(data)[-1] == Notice("the file was saved without a checksum: none compared")


def test_reading_stops_exactly_behind_the_file():
    """An append-only file of Redis 4 to 6 goes on with commands there."""
    data = saved({0: [(b"k", b"v" * 1000, FAR)]})
    one = reader(data + b"*1\r\n$4\r\nPING\r\n", 700)
    list(one.events())
    assert one.position == len(data)


# -- damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "position", "reason"),
    [
        (b"", 0, "the file ends too early"),
        (b"RADIS0010", 0, "no RDB file: it does not begin with REDIS and a version"),
        (b"REDIS00x0", 0, "no RDB file: it does not begin with REDIS and a version"),
        (b"REDIS0012", 5, "RDB version 12 is unknown"),
        (b"REDIS0000", 5, "RDB version 0 is unknown"),
        (b"REDIS0010\x08", 9, "a value or opcode of unknown type 8"),
        (b"REDIS0010\xfe\xc0", 10, "0xc0 is no length"),
        (b"REDIS0010\x00\xc4", 10, "a string of unknown encoding 0xc4"),
        (b"REDIS0010\x00\x01k", 12, "the file ends too early"),
        (b"REDIS0010\x00\x01k\xc3\x02\x05\x00a", 15, "the compressed string has 1 bytes, announced were 5"),
        (old.file(10, old.key(2, b"k", b"\x02\x01a\x01a")), 12, "a set with the same member twice"),
        (old.file(10, old.key(4, b"k", b"\x02\x01a\x01a\x01a\x01b")), 12, "a hash with the same field twice"),
        (old.file(10, old.key(3, b"k", b"\x01\x01a\xfd")), 12, "a score that is not a number"),
        (old.file(10, old.key(3, b"k", b"\x01\x01a\x02xy")), 12, "a score that is no number: b'xy'"),
        (old.file(10, old.key(18, b"k", b"\x01\x03\x01a")), 16, "a quicklist node of 1 bytes, container 3"),
        (old.file(10, old.key(18, b"k", b"\x01\x01\x00")), 15, "a quicklist node of 0 bytes, container 1"),
    ],
)
def test_each_kind_of_damage_has_its_place_and_name(data, position, reason):
    with pytest.raises(RdbError) as error:
        events(data)
    assert (error.value.position, error.value.reason.partition(" (byte")[0]) == (position, reason)


def test_an_announced_length_allocates_nothing():
    data = b"REDIS0010\x00\x01k\x81" + struct.pack(">Q", 1 << 40) + b"abc"
    tracemalloc.start()
    for options in ({}, {"size": len(data)}):
        with pytest.raises(RdbError):
            events(data, **options)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000


def test_a_length_beyond_the_end_is_seen_at_once_when_the_size_is_known():
    data = b"REDIS0010\x00\x01k\x80\x00\x10\x00\x00abc"
    with pytest.raises(RdbError) as error:
        events(data, size=len(data))
    assert (error.value.position, error.value.reason) == (17, "1048576 bytes are announced, only 3 are left")


SAMPLE = old.file(
    10,
    b"\xfa\x01a\x01b\xfe\x00\xfb\x0e\x00",
    *(piece for piece, _ in OLD_VALUES.values()),
    old.key(0, b"s", b"\xc3\x06\x15\x01xx\xe0\x0a\x00"),
)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255)), max_size=4), st.integers(0, len(SAMPLE))
)
@example([], len(SAMPLE))
def test_a_damaged_file_is_read_or_ends_in_an_error_with_its_place(changes, size):
    damaged = bytearray(SAMPLE)
    for place, byte in changes:
        damaged[place] = byte
    data = bytes(damaged[:size])
    try:
        events(data, 64, verify=False)
    except RdbError as error:
        assert 0 <= error.position <= len(data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_end_in_an_error_with_its_place(tail):
    try:
        events(b"REDIS0011" + tail)
    except RdbError as error:
        assert 9 <= error.position <= 9 + len(tail)


def test_the_checker_of_the_real_server_agrees_on_the_sample(tmp_path):
    """`SAMPLE` is sound but for its keys, which are all called k: the checker does not mind."""
    path = tmp_path / "sample.rdb"
    path.write_bytes(SAMPLE)
    assert "[info] 15 keys read" in check_rdb(path)
