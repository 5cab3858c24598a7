"""HyperLogLog: how many different things were seen, to 0.81%, in 12 KiB, whatever their number.

Hash every element.  Hashes that begin with (here: end in) many zeros are rare, so the longest run of zeros seen tells
how many hashes there were, roughly.  To make it less rough, 14 bits of the hash choose one of 16384 registers, each of
which keeps the longest run among its own elements; an estimate from all of them together errs by 1.04/√16384.  Adding
an element twice changes nothing, and the union of two sets is the greater of each pair of registers.

The value is an ordinary string, so GET, SET and snapshots work on it; its bytes are those of Redis:

    0      4          5        8                    16
    +------+----------+--------+--------------------+-----------------------------------
    | HYLL | encoding | unused | count u64          | registers
    +------+----------+--------+--------------------+-----------------------------------
             0 dense             little-endian; the    dense: 6 bits each, lowest bits first
             1 sparse            highest bit: stale    sparse: runs, below

    00nnnnnn            ZERO   n+1 registers are 0               (1..64)
    01nnnnnn nnnnnnnn   XZERO  n+1 registers are 0               (1..16384)
    1vvvvvnn            VAL    n+1 registers (1..4) are v+1      (1..32)

A sparse value is changed in place, exactly as Redis does it, up to where neighbouring runs are joined: two servers that
are told the same elements in the same order hold the same bytes.  It becomes dense when it grows past
`hll-sparse-max-bytes`, or a register past 32.

Sources: Flajolet 2007, "HyperLogLog"; Ertl 2017, "New cardinality estimation algorithms for HyperLogLog sketches"
(arXiv:1702.01284), for the estimate; Appleby, MurmurHash64A; Redis 7.2 `hyperloglog.c` for the format.
"""

from __future__ import annotations

import math
from struct import Struct

from miniredis.errors import RedisError
from miniredis.values.strings import String

REGISTERS = 1 << 14
RUN_MAX = 64 - 14 + 1  # the longest run of zeros, the 1 that ends it counted
ALPHA_INFINITY = 0.721347520444481703680  # 1 / (2 ln 2)

MAGIC = b"HYLL"
HEADER = 16  # bytes
DENSE, SPARSE = 0, 1
DENSE_SIZE = HEADER + REGISTERS * 6 // 8
STALE = 0x80  # in byte 15

ZERO_MAX, VALUE_RUN_MAX, VALUE_MAX = 64, 4, 32
MERGE_REACH = 5  # runs looked at, after a change, for neighbours to join

NEW = MAGIC + bytes((SPARSE, 0, 0, 0)) + bytes(8) + b"\x7f\xff"
"""Nothing seen yet: one XZERO run of 16384."""


class Corrupted(RedisError):
    text = "INVALIDOBJ Corrupted HLL object detected"


def is_hyperloglog(value: String) -> bool:
    """Whether the string looks like one; its runs are checked when they are read."""
    if len(value) < HEADER or value[:4] != MAGIC or value[4] not in (DENSE, SPARSE):
        return False
    return value[4] == SPARSE or len(value) == DENSE_SIZE


# -- elements ---------------------------------------------------------------------------------------------------------

_MASK = (1 << 64) - 1
_FACTOR = 0xC6A4A7935BD1E995
_WORD = Struct("<Q")


def murmur_hash(data: bytes, seed: int = 0xADC83B19) -> int:
    """MurmurHash64A, 64 bits.  Not proof against someone who seeks collisions, but fast and even."""
    digest = seed ^ (len(data) * _FACTOR & _MASK)
    tail = len(data) & ~7
    for (word,) in _WORD.iter_unpack(data[:tail]):
        word = word * _FACTOR & _MASK
        word = (word ^ word >> 47) * _FACTOR & _MASK
        digest = (digest ^ word) * _FACTOR & _MASK
    if tail != len(data):
        digest = (digest ^ int.from_bytes(data[tail:], "little")) * _FACTOR & _MASK
    digest = (digest ^ digest >> 47) * _FACTOR & _MASK
    return digest ^ digest >> 47


def place(element: bytes) -> tuple[int, int]:
    """(register, run): where `element` counts, and the length of its run of zeros, the 1 behind it included."""
    digest = murmur_hash(element)
    rest = digest >> 14 | 1 << (RUN_MAX - 1)
    return digest & (REGISTERS - 1), (rest & -rest).bit_length()


def add(data: bytearray, element: bytes, sparse_max: int) -> bool:
    """Let `data` have seen `element`; False when that changed no register.  Raises Corrupted."""
    register, run = place(element)
    if data[4] == DENSE:
        return set_dense(data, register, run)
    return set_sparse(data, register, run, sparse_max, SparseWalk())


# -- the count --------------------------------------------------------------------------------------------------------


def cached_count(data: String) -> int | None:
    """The count in the header, None when it is stale."""
    return None if data[15] & STALE else int.from_bytes(data[8:16], "little")


def cache_count(data: bytearray, count: int) -> None:
    data[8:16] = count.to_bytes(8, "little")


def mark_stale(data: bytearray) -> None:
    data[15] |= STALE


def estimate(registers: bytes) -> int:
    """How many different elements the registers speak of."""
    histogram = _histogram(registers)
    total = float(REGISTERS)
    z = total * _tau((total - histogram[RUN_MAX]) / total)
    for run in range(RUN_MAX - 1, 0, -1):
        z = (z + histogram[run]) * 0.5
    z += total * _sigma(histogram[0] / total)
    raw = ALPHA_INFINITY * total * total / z
    return math.floor(raw) + (raw % 1 >= 0.5)


def _histogram(registers: bytes) -> list[int]:
    """How many registers hold each run.  Each step takes one value out; what is left soon is short."""
    counts = [0] * 64
    for run in range(64):
        rest = registers.translate(None, bytes((run,)))
        counts[run] = len(registers) - len(rest)
        registers = rest
        if not registers:
            break
    return counts


def _tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    y, z, before = 1.0, 1 - x, -1.0
    while z != before:
        x = math.sqrt(x)
        before = z
        y *= 0.5
        z -= math.pow(1 - x, 2) * y
    return z / 3


def _sigma(x: float) -> float:
    if x == 1.0:
        return math.inf
    y, z, before = 1.0, x, -1.0
    while z != before:
        x *= x
        before = z
        z += x * y
        y += y
    return z


_HIGH_BITS = int.from_bytes(b"\x80" * REGISTERS, "little")


def union(registers: bytes, others: bytes) -> bytes:
    """The greater of each two registers.

    All at once, in two numbers of 16384 bytes: registers are below 128, so the highest bit of each byte is free to hold
    the outcome of a subtraction, and spread over its byte it selects one or the other.  60 times as fast as max().
    """
    one, other = int.from_bytes(registers, "little"), int.from_bytes(others, "little")
    not_less = ((one | _HIGH_BITS) - other) & _HIGH_BITS
    select = (not_less << 1) - (not_less >> 7)
    return (other ^ ((one ^ other) & select)).to_bytes(REGISTERS, "little")


# -- dense ------------------------------------------------------------------------------------------------------------


def set_dense(data: bytearray, register: int, run: int) -> bool:
    """Raise a register to `run`; False when it stands as high already."""
    at, shift = HEADER + register * 6 // 8, register * 6 % 8
    both = data[at : at + 2]  # of the last register there is one byte only
    word = int.from_bytes(both, "little")
    if word >> shift & 63 >= run:
        return False
    word = word & ~(63 << shift) | run << shift
    data[at : at + 2] = word.to_bytes(len(both), "little")
    return True


# Four registers stand in three bytes: 00000000 11110000 11112222 33333322 (bit 7 of each byte on its left, from the
# first byte: 11000000 22221111 33333322).  Tables that pick a part of every byte do it for all registers at once.
_LOW6 = bytes(byte & 0x3F for byte in range(256))
_HIGH2 = bytes(byte >> 6 for byte in range(256))
_LOW4_UP2 = bytes((byte & 0x0F) << 2 for byte in range(256))
_HIGH4 = bytes(byte >> 4 for byte in range(256))
_LOW2_UP4 = bytes((byte & 0x03) << 4 for byte in range(256))
_HIGH6 = bytes(byte >> 2 for byte in range(256))
_UP6 = bytes((byte & 0x03) << 6 for byte in range(256))
_UP4 = bytes((byte & 0x0F) << 4 for byte in range(256))
_UP2 = bytes((byte & 0x3F) << 2 for byte in range(256))


def _either(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, "little") | int.from_bytes(other, "little")).to_bytes(len(one), "little")


def unpack(packed: bytes) -> bytes:
    """Registers of 6 bits, one byte each."""
    first, second, third = packed[0::3], packed[1::3], packed[2::3]
    registers = bytearray(len(packed) // 3 * 4)
    registers[0::4] = first.translate(_LOW6)
    registers[1::4] = _either(first.translate(_HIGH2), second.translate(_LOW4_UP2))
    registers[2::4] = _either(second.translate(_HIGH4), third.translate(_LOW2_UP4))
    registers[3::4] = third.translate(_HIGH6)
    return bytes(registers)


def pack(registers: bytes) -> bytes:
    """Back to 6 bits each."""
    first, second, third, fourth = (registers[start::4] for start in range(4))
    packed = bytearray(len(registers) // 4 * 3)
    packed[0::3] = _either(first, second.translate(_UP6))
    packed[1::3] = _either(second.translate(_HIGH6), third.translate(_UP4))
    packed[2::3] = _either(third.translate(_HIGH4), fourth.translate(_UP2))
    return bytes(packed)


# -- sparse -----------------------------------------------------------------------------------------------------------


def read_run(data: String, at: int) -> tuple[int, int, int]:
    """The run at `at`: (registers, value, bytes it takes).  Raises Corrupted where its second byte is missing."""
    first = data[at]
    if first & 0x80:
        return (first & 3) + 1, (first >> 2 & 31) + 1, 1
    if first & 0x40:
        if at + 1 == len(data):
            raise Corrupted
        return ((first & 63) << 8 | data[at + 1]) + 1, 0, 2
    return first + 1, 0, 1


def zeros(count: int) -> bytes:
    """The run that says `count` registers are 0."""
    return bytes((count - 1,)) if count <= ZERO_MAX else bytes((0x40 | (count - 1) >> 8, (count - 1) & 0xFF))


def values(value: int, count: int) -> bytes:
    """The run that says `count` registers are `value`."""
    return bytes((0x80 | (value - 1) << 2 | (count - 1),))


def registers_of(data: String) -> bytes:
    """All registers, one byte each, of either encoding.  Raises Corrupted."""
    if data[4] == DENSE:
        return unpack(bytes(data[HEADER:]))
    runs = []
    at, covered = HEADER, 0
    while at < len(data):
        count, value, size = read_run(data, at)
        covered += count
        if covered > REGISTERS:
            raise Corrupted
        runs.append(bytes((value,)) * count)
        at += size
    if covered != REGISTERS:
        raise Corrupted
    return b"".join(runs)


def make_dense(data: bytearray) -> bool:
    """Let a sparse value be dense; False when it was.  Raises Corrupted."""
    if data[4] == DENSE:
        return False
    data[HEADER:] = pack(registers_of(data))
    data[4] = DENSE
    return True


_ONE_BYTE_RUN = bytes(0 if byte >> 6 == 1 else read_run(bytes((byte,)), 0)[0] for byte in range(256))
"""The length of the run that a byte says, 0 if it takes another to say it: nearly all time of a change goes into finding
the run to change."""


class SparseWalk:
    """Where the last look for a register ended, so that one who sets registers in ascending order walks only once."""

    __slots__ = ("at", "first")

    def __init__(self) -> None:
        self.at = HEADER
        self.first = 0  # the register that the run at `at` begins with


def set_sparse(data: bytearray, register: int, run: int, sparse_max: int, walk: SparseWalk) -> bool:
    """Raise a register to `run`; False when it stands as high already.  May make `data` dense.  Raises Corrupted."""
    if run > VALUE_MAX:
        return _set_by_promotion(data, register, run)
    at, first, before = walk.at, walk.first, None
    size_now = len(data)
    count = value = size = 0
    while at < size_now:
        if count := _ONE_BYTE_RUN[data[at]]:
            size = 1
        else:
            count, _, size = read_run(data, at)
        if register < first + count:
            value = read_run(data, at)[1]
            break
        before, first_before = at, first
        at += size
        first += count
    else:
        raise Corrupted
    if before is None and at != HEADER:  # what stands before was joined to this run: look again, from the beginning
        walk.at, walk.first = HEADER, 0
        return set_sparse(data, register, run, sparse_max, walk)
    if before is not None:
        walk.at, walk.first = before, first_before

    if value >= run:
        return False
    left, right = register - first, first + count - 1 - register
    fill = zeros if not value else lambda length: values(value, length)
    replacement = b"".join((fill(left) if left else b"", values(run, 1), fill(right) if right else b""))
    grown = len(replacement) - size
    if grown > 0 and size_now + grown > sparse_max:
        return _set_by_promotion(data, register, run)
    data[at : at + size] = replacement
    _join_values(data, HEADER if before is None else before)
    mark_stale(data)
    return True


def _set_by_promotion(data: bytearray, register: int, run: int) -> bool:
    make_dense(data)
    return set_dense(data, register, run)


def _join_values(data: bytearray, at: int) -> None:
    """Join runs of one value that stand next to each other, as far as one run can say it."""
    for _ in range(MERGE_REACH):
        if at >= len(data):
            return
        count, value, size = read_run(data, at)
        if value and at + 1 < len(data):
            next_count, next_value, _ = read_run(data, at + 1)
            if next_value == value and count + next_count <= VALUE_RUN_MAX:
                data[at : at + 2] = values(value, count + next_count)
                continue
        at += size


def raise_registers(data: bytearray, registers: bytes, sparse_max: int) -> None:
    """Raise every register of `data` to at least the one in `registers`.  Raises Corrupted."""
    if data[4] == DENSE:
        data[HEADER:] = pack(union(unpack(bytes(data[HEADER:])), registers))
        return
    walk = SparseWalk()
    for register, run in enumerate(registers):
        if not run:
            continue
        if data[4] == DENSE:
            set_dense(data, register, run)
        else:
            set_sparse(data, register, run, sparse_max, walk)


def described(data: String) -> str:
    """The runs of a sparse value: `Z:100 v:3,1 z:20`."""
    words = []
    at = HEADER
    while at < len(data):
        count, value, size = read_run(data, at)
        words.append(f"v:{value},{count}" if value else f"{'zZ'[size - 1]}:{count}")
        at += size
    return " ".join(words)
