"""The RDB format: a snapshot of all databases in one file.  Here is the alphabet; reader and writer spell with it.

    "REDIS" "0010"                       magic, version in four digits
    FA name value                        aux fields: who wrote this, when
    FE 0                                 select database 0
    FB 3 1                               it has 3 keys, 1 of them expires: a hint for sizing tables
    FC time-ms                           the next key expires then
    00 key value                         type, key, value
    ...
    FF checksum                          end; CRC-64 of everything before, 0 when it was switched off

Lengths take one, two, five or nine bytes; the first two bits say which:

    00LLLLLL                   6 bits            10000000 + 4 bytes, big-endian
    01LLLLLL LLLLLLLL          14 bits           10000001 + 8 bytes, big-endian
    11EEEEEE                   not a length: a string encoded otherwise

A string is a length and its bytes, or one of these encodings: an integer in 8, 16 or 32 bits, little-endian, or LZF:
compressed length, length, compressed bytes.

The format only grows.  Each version reads all older ones, so a type number is never used for anything else:

    6   Redis 2.6-3.0   ziplists, millisecond expiry          9    5.0-6.2   streams, idle time and frequency
    7   3.2             quicklists, aux fields, table sizes   10   7.0       listpacks, quicklist 2, functions
    8   4.0             binary scores, modules                11   7.2       sets as listpacks

Source: Redis 7.2 `rdb.h` and `rdb.c`; version history in the commits of `rdb.h`.
"""

from typing import Protocol

MAGIC = b"REDIS"
VERSION_OLDEST, VERSION_NEWEST = 1, 11
VERSION_CHECKSUM = 5
"""From this version on a file ends in a checksum."""

# -- types -----------------------------------------------------------------------------------

STRING = 0
LIST = 1
SET = 2
ZSET_TEXT = 3  # scores as text
HASH = 4
ZSET = 5  # scores as binary doubles
MODULE_OLD = 6
MODULE = 7
HASH_ZIPMAP = 9
LIST_ZIPLIST = 10
SET_INTSET = 11
ZSET_ZIPLIST = 12
HASH_ZIPLIST = 13
LIST_QUICKLIST_ZIPLISTS = 14
STREAM = 15
HASH_LISTPACK = 16
ZSET_LISTPACK = 17
LIST_QUICKLIST = 18
STREAM_2 = 19
SET_LISTPACK = 20
STREAM_3 = 21

REFUSED = {
    MODULE_OLD: "a module's value",
    MODULE: "a module's value",
    STREAM: "a stream",
    STREAM_2: "a stream",
    STREAM_3: "a stream",
}
"""Values that are real Redis but not (or not yet) ours: a file that holds one is refused, not read without it."""

# -- opcodes -----------------------------------------------------------------------------------

FUNCTION = 245
FUNCTION_OLD = 246  # of release candidates of 7.0
MODULE_AUX = 247
IDLE = 248  # seconds since last use of the next key: a length
FREQUENCY = 249  # its LFU counter: a byte
AUX = 250
TABLE_SIZES = 251
EXPIRES_MS = 252
EXPIRES_SECONDS = 253
SELECT = 254
END = 255

# -- encoded strings -----------------------------------------------------------------------------------

INT8, INT16, INT32, LZF = 0xC0, 0xC1, 0xC2, 0xC3
LENGTH32, LENGTH64 = 0x80, 0x81

# -- scores as text -----------------------------------------------------------------------------------

TEXT_NAN, TEXT_PLUS_INFINITY, TEXT_MINUS_INFINITY = 253, 254, 255

# -- what a module wrote, piece by piece ------------------------------------------------------------------------------

MODULE_END, MODULE_SIGNED, MODULE_UNSIGNED, MODULE_FLOAT, MODULE_DOUBLE, MODULE_STRING = range(6)

MODULE_NAME_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def module_name(number: int) -> str:
    """The name packed into a module's 64-bit number: nine characters of six bits, then ten bits of version."""
    return "".join(MODULE_NAME_ALPHABET[number >> shift & 63] for shift in range(58, 9, -6))


class RdbError(Exception):
    """The file cannot be loaded: `reason`, noticed `position` bytes into it."""

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(f"{reason} (at byte {position})")
        self.reason = reason
        self.position = position


class RdbRefused(RdbError):
    """The file is sound, but holds something that is not supported; loading the rest would lose it."""


class Limits(Protocol):
    """The settings that decide which encoding a collection has; all counts of elements or bytes."""

    hash_max_listpack_entries: int
    hash_max_listpack_value: int
    set_max_intset_entries: int
    set_max_listpack_entries: int
    set_max_listpack_value: int
    zset_max_listpack_entries: int
    zset_max_listpack_value: int
    list_max_listpack_size: int
