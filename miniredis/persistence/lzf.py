"""LZF: the compression that Redis applies to long strings.  It trades size for speed: no entropy coding, one guess.

    000LLLLL  literal...           copy the next L+1 bytes as they are (1-32)
    LLLooooo  oooooooo             copy L+2 bytes (3-8) from o+1 bytes back in the output
    111ooooo  LLLLLLLL  oooooooo   the same for L+9 bytes (9-264)

The compressor remembers in a table of 65,536 slots where it last saw each three bytes (by a hash, so that a slot can
lie), looks there, and takes what it finds: no search for the longest match.  We use the same hash and the same order of
events as liblzf, so the output is the same byte for byte, and so are DUMP payloads.

What costs here is Python: about 3 MB/s on text.  So before a large value is compressed, a few samples are tried with
zlib, which runs in C: where that finds nothing to save (images, ciphertext), neither would we.

Source: liblzf 3.6 (Marc Lehmann), `lzf_c.c` and `lzf_d.c`, with the settings of Redis (HLOG 16, VERY_FAST).
"""

import zlib

from miniredis.persistence.damage import Damaged

BLOCK = 16 * 1024  # bytes whose slots are computed at once
LITERAL_MAX = 32  # bytes in one literal run
MATCH_MAX = 264  # bytes in one back reference
WINDOW = 8192  # how far back a reference reaches
MARGIN = 4  # bytes that must be saved, or the string is stored as it is
EXPANSION_MAX = 88  # three bytes can stand for 264
SAMPLED_FROM = 64 * 1024  # bytes; from here on a look at some samples comes first
SAMPLE = 2048


def compress(data: bytes | bytearray) -> bytes | None:
    """`data` compressed, or None when that would save less than four bytes."""
    size = len(data)
    if size <= MARGIN or (size >= SAMPLED_FROM and _looks_random(data)):
        return None
    data = bytes(data)
    seen: dict[int, int] = {}  # slot -> where in `data` its three bytes were seen last
    get = seen.get
    out = bytearray()
    limit = size - MARGIN
    last = size - 2  # no three bytes begin here
    start = 0  # what follows is not yet written; up to here `out` stands for it
    for begin in range(0, last, BLOCK):
        for at, slot in enumerate(_slots(data[begin : begin + BLOCK + 2]), begin):
            if at < start:
                if at >= start - 2:  # of what a match covers, only its last two places are remembered
                    seen[slot] = at
                continue
            reference = get(slot)
            seen[slot] = at
            if (
                not reference  # in liblzf the very first place is not referred to either
                or at - reference > WINDOW
                or data[reference : reference + 3] != data[at : at + 3]
            ):
                continue
            if start < at:
                _append_literals(out, data, start, at)
            if len(out) + 4 >= limit:
                return None
            length = _match_length(data, reference, at, min(last - at, MATCH_MAX))
            distance = at - reference - 1
            if length < 9:
                out += bytes(((length - 2) << 5 | distance >> 8, distance & 0xFF))
            else:
                out += bytes((0xE0 | distance >> 8, length - 9, distance & 0xFF))
            start = at + length
    literals = max(last - start, 0)
    reckoned = len(out) + 1 + literals + literals // LITERAL_MAX  # as liblzf does before it writes the last bytes
    if reckoned + 3 > limit:
        return None
    _append_literals(out, data, start, size)
    return bytes(out)


def _slots(data: bytes) -> list[int]:
    """The slot for each three neighbouring bytes.

    liblzf's hash is ((h >> 8) - 5 h) mod 2**16, where h is the three bytes as one number; multiplied out, 256 a -
    1279 b - 5 c.  All are computed at once: each byte gets a lane of 32 bits in one huge integer, which Python
    multiplies and adds in C.  255 - b stands for -b, so that no lane borrows from the next; that moves every slot by
    the same amount.
    """
    count = len(data) - 2
    first, others = _lanes(data), _lanes(data.translate(_COMPLEMENT))
    total = first * 256 + (others >> 32) * 1279 + (others >> 64) * 5
    lanes = memoryview(total.to_bytes(4 * len(data) + 4, "little")).cast("H")
    return lanes[: 2 * count : 2].tolist()


def _lanes(data: bytes) -> int:
    lanes = bytearray(4 * len(data))
    lanes[::4] = data
    return int.from_bytes(lanes, "little")


_COMPLEMENT = bytes(range(255, -1, -1))


def _append_literals(out: bytearray, data: bytes, start: int, end: int) -> None:
    for begin in range(start, end, LITERAL_MAX):
        run = data[begin : min(begin + LITERAL_MAX, end)]
        out.append(len(run) - 1)
        out += run


def _match_length(data: bytes, reference: int, at: int, longest: int) -> int:
    """How many bytes are the same from both places on; at least 3, known to be.

    At most `longest`, with liblzf's way of counting: it looks at the next sixteen in one go whenever there is room for
    them, and can overshoot `longest` by two bytes there.
    """
    length = 3
    if longest > 16 and data[reference + 3 : reference + 19] == data[at + 3 : at + 19]:
        length = 19
        if data[reference + 19 : reference + longest] == data[at + 19 : at + longest]:
            return max(longest, 19)
    elif longest > 16:
        longest = 19
    while length < longest and data[reference + length] == data[at + length]:
        length += 1
    return length


def _looks_random(data: bytes | bytearray) -> bool:
    """Whether zlib saves less than a fiftieth on samples from the beginning, the middle and the end."""
    middle = len(data) // 2
    sample = bytes(data[:SAMPLE] + data[middle : middle + SAMPLE] + data[-SAMPLE:])
    return len(zlib.compress(sample, 1)) > len(sample) * 0.98


def decompress(data: bytes, size: int) -> bytes:
    """The `size` bytes that `data` stands for.  Raises Damaged when it stands for anything else.

    `size` comes from the same file and is not to be trusted: nothing is allocated by it.
    """
    if size > len(data) * EXPANSION_MAX:
        raise Damaged(f"{len(data)} compressed bytes cannot stand for {size}", 0)
    out = bytearray()
    at, end = 0, len(data)
    while at < end:
        control = data[at]
        if control < 32:
            after = at + control + 2
            if after > end:
                raise Damaged("a literal run goes past the end of the compressed string", at)
            out += data[at + 1 : after]
            at = after
        else:
            length = (control >> 5) + 2
            low = at + 1
            if length == 9:
                low += 1
            if low >= end:
                raise Damaged("a back reference is cut off", at)
            if length == 9:
                length += data[at + 1]
            distance = ((control & 31) << 8 | data[low]) + 1
            begin = len(out) - distance
            if begin < 0:
                raise Damaged("a back reference goes before the beginning of the string", at)
            if distance >= length:
                out += out[begin : begin + length]
            else:  # it overlaps what it produces: a pattern that repeats
                pattern = out[begin:]
                out += (pattern * (length // distance + 1))[:length]
            at = low + 1
        if len(out) > size:
            raise Damaged(f"the compressed string is longer than the {size} bytes announced", at)
    if len(out) != size:
        raise Damaged(f"the compressed string has {len(out)} bytes, announced were {size}", at)
    return bytes(out)
