"""The registers in both encodings, and how far the estimate is off."""

from random import Random

import pytest

from miniredis.values import hyperloglog
from miniredis.values.hyperloglog import HEADER, REGISTERS, Corrupted

HEAD = b"HYLL\x01\x00\x00\x00" + bytes(8)


@pytest.mark.parametrize(
    ("element", "register_and_run"),
    [
        (b"", (5938, 2)),
        (b"a", (12711, 2)),
        (b"hello", (9216, 1)),
        (b"12345678", (10579, 3)),
        (b"hello world", (9399, 4)),
        (b"\x00\xff" * 20, (7658, 3)),
    ],
)
def test_an_element_counts_where_it_does_in_redis(element, register_and_run):
    """Recorded from PFDEBUG GETREG of redis-server 7.0.15."""
    assert hyperloglog.place(element) == register_and_run


def test_packed_registers_come_back():
    registers = Random(1).choices(range(64), k=REGISTERS)
    packed = hyperloglog.pack(bytes(registers))
    assert len(packed) == REGISTERS * 6 // 8
    assert hyperloglog.unpack(packed) == bytes(registers)


def test_the_lowest_bits_come_first():
    assert hyperloglog.pack(bytes([1, 2, 3, 4])) == (1 | 2 << 6 | 3 << 12 | 4 << 18).to_bytes(3, "little")


def test_a_register_is_raised_and_never_lowered():
    data = bytearray(hyperloglog.NEW)
    hyperloglog.make_dense(data)
    changes = [hyperloglog.set_dense(data, REGISTERS - 1, run) for run in (5, 3, 5, 9)]
    assert changes == [True, False, False, True]
    assert hyperloglog.registers_of(data)[-2:] == b"\x00\x09"


def test_a_run_of_zeros_is_split_around_a_register():
    data = bytearray(hyperloglog.NEW)
    hyperloglog.set_sparse(data, 100, 3, 3000, hyperloglog.SparseWalk())
    assert hyperloglog.described(data) == "Z:100 v:3,1 Z:16283"


def test_equal_neighbours_are_joined_up_to_four():
    data = bytearray(hyperloglog.NEW)
    for register in (10, 12, 11, 13, 14):
        hyperloglog.set_sparse(data, register, 2, 3000, hyperloglog.SparseWalk())
    assert hyperloglog.described(data) == "z:10 v:2,4 v:2,1 Z:16369"


def test_sparse_and_dense_hold_the_same():
    random = Random(2)
    sparse, dense = bytearray(hyperloglog.NEW), bytearray(hyperloglog.NEW)
    hyperloglog.make_dense(dense)
    for _ in range(1500):
        register, run = random.randrange(REGISTERS), random.randint(1, 32)
        changed = hyperloglog.set_sparse(sparse, register, run, 100_000, hyperloglog.SparseWalk())
        assert changed == hyperloglog.set_dense(dense, register, run)
    assert hyperloglog.registers_of(sparse) == hyperloglog.registers_of(dense)


def test_one_walk_in_ascending_order_leaves_the_bytes_of_many():
    random = Random(3)
    registers = bytearray(REGISTERS)
    for register in random.sample(range(REGISTERS), 300):
        registers[register] = random.randint(1, 3)
    registers[500:540] = b"\x02" * 40
    at_once, one_by_one = bytearray(hyperloglog.NEW), bytearray(hyperloglog.NEW)
    hyperloglog.raise_registers(at_once, bytes(registers), 100_000)
    for register, run in enumerate(registers):
        if run:
            hyperloglog.set_sparse(one_by_one, register, run, 100_000, hyperloglog.SparseWalk())
    assert at_once == one_by_one


@pytest.mark.parametrize("register_and_run", [(5, 33), (5, 1)])
def test_it_becomes_dense_when_a_register_or_the_value_is_too_large(register_and_run):
    data = bytearray(hyperloglog.NEW)
    assert hyperloglog.set_sparse(data, *register_and_run, sparse_max=HEADER + 2, walk=hyperloglog.SparseWalk())
    assert (len(data), data[4], hyperloglog.registers_of(data)[5]) == (
        hyperloglog.DENSE_SIZE,
        hyperloglog.DENSE,
        register_and_run[1],
    )


@pytest.mark.parametrize("runs", [b"", b"\x7f", b"\x7f\xfe", b"\x7f\xff\x00", b"\x00"])
def test_runs_that_do_not_cover_the_registers_are_refused(runs):
    with pytest.raises(Corrupted, match="INVALIDOBJ"):
        hyperloglog.registers_of(HEAD + runs)


def test_a_union_takes_the_greater_of_each_two():
    random = Random(4)
    one, other = (bytes(random.choices(range(64), k=REGISTERS)) for _ in range(2))
    assert hyperloglog.union(one, other) == bytes(map(max, one, other))


@pytest.mark.parametrize("count", [0, 1, 10, 1000, 30_000])
def test_the_estimate_is_off_by_less_than_three_standard_errors(count):
    """Flajolet 2007: the standard error is 1.04 by the root of the number of registers."""
    data = bytearray(hyperloglog.NEW)
    for number in range(count):
        hyperloglog.add(data, b"element:%d" % number, 3000)
    estimate = hyperloglog.estimate(hyperloglog.registers_of(data))
    assert abs(estimate - count) <= 3 * 1.04 / 128 * count


def test_the_count_is_kept_until_it_is_stale():
    data = bytearray(hyperloglog.NEW)
    hyperloglog.cache_count(data, 12345)
    assert hyperloglog.cached_count(data) == 12345
    hyperloglog.mark_stale(data)
    assert hyperloglog.cached_count(data) is None
