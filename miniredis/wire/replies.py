"""Replies: Python values in, RESP2 or RESP3 bytes out.

Commands return plain values and never know which protocol their client speaks; the type says what is meant:

    Python                RESP2                         RESP3
    int                   :7                            :7
    bytes, bytearray      $1 7                          $1 7
    None                  $-1                           _
    list, tuple           *2 ...                        *2 ...
    Status("OK")          +OK                           +OK
    RedisError            -ERR ...                      -ERR ...
    float                 $3 0.1                        ,0.1
    LongDouble(x)         $n up to 17 decimals          ,up to 17 decimals
    bool                  :1                            #t
    dict                  *4 key value key value        %2 key value key value
    SetReply([...])       *2 ...                        ~2 ...
    Pairs([(a, b), ...])  *4 a b a b                    *2  *2 a b  *2 a b
    NULL_ARRAY            *-1                           _
    Verbatim("txt", ...)  $n text                       =n+4 txt:text
    BigNumber(b"1")       $1 1                          (1
    Push([...])           *n ...                        >n ...
    Attributed(a, value)  value                         |n a ...  value
    str                   bulk string, for our own texts

Source: RESP3 specification (antirez, 2018); Redis 7.2 `networking.c`, the addReply family.
"""

from collections.abc import Callable, Iterable
from typing import Any

from miniredis.errors import RedisError
from miniredis.numbers import format_float


class Status(str):
    """A simple string: short, one line."""

    __slots__ = ()


class SetReply(list[Any]):
    """Members without order."""


class Pairs(list[Any]):
    """(a, b) pairs that RESP2 sends flat and RESP3 nested: scores, ranges with values."""


class MapReply(list[Any]):
    """(key, value) pairs, as a dict would be sent; for keys that a dict cannot hold, such as lists."""


class Push(list[Any]):
    """Out of band: pub/sub, invalidation."""


class Verbatim(str):
    """A text with its kind, `txt` or `mkd`: what INFO and LOLWUT send."""

    kind = "txt"


class BigNumber(bytes):
    """The digits of an integer beyond 64 bits."""


class LongDouble(float):
    """A number whose every decimal is shown, up to 17: coordinates."""

    __slots__ = ()

    def printed(self) -> bytes:
        text = b"%.17f" % self
        return text.rstrip(b"0").rstrip(b".")


class Attributed:
    """A value with attributes about it, which RESP2 leaves out."""

    def __init__(self, attributes: dict[Any, Any], value: Any) -> None:
        self.attributes, self.value = attributes, value


class Encoded(bytes):
    """RESP already."""

    __slots__ = ()


class _NullArray:
    pass


OK = Status("OK")
QUEUED = Status("QUEUED")
NULL_ARRAY = _NullArray()
"""What a blocking command that timed out and an aborted EXEC answer."""

NO_REPLY = Encoded(b"")
"""For a command that has said all it has to say by itself (SUBSCRIBE), or must not answer (CLIENT REPLY OFF)."""

SMALL_INTEGERS = [b":%d\r\n" % number for number in range(1024)]


def encode_integer(number: int) -> bytes:
    return SMALL_INTEGERS[number] if 0 <= number < 1024 else b":%d\r\n" % number


def encode_bulk(data: bytes | bytearray) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(data), data)  # type: ignore[str-format]  # %b takes any buffer


def encode_text(text: str) -> bytes:
    return encode_bulk(text.encode("utf-8", "surrogateescape"))


def encode_status(text: str) -> bytes:
    return b"+%b\r\n" % text.encode("utf-8", "surrogateescape")


class _StatusLines(dict[str, bytes]):
    """The lines of the few statuses that are answered all day; any other is encoded when it comes."""

    def __missing__(self, text: str) -> bytes:
        return encode_status(text)


STATUS_LINES = _StatusLines({text: encode_status(text) for text in ("OK", "PONG", "QUEUED")})


def encode_error(error: RedisError) -> bytes:
    """An error is one line: what would end it early becomes a space."""
    line = error.text.replace("\r", " ").replace("\n", " ")
    return b"-%b\r\n" % line.encode("latin-1", "replace")


def _array(values: Iterable[Any], count: int, sign: bytes, encode: Callable[[Any], bytes]) -> bytes:
    parts = [b"%b%d\r\n" % (sign, count)]
    if count > 8 and type(values) is list and set(map(type, values)) == {bytes} and len(set(map(len, values))) == 1:
        header = b"$%d\r\n" % len(values[0])  # strings of one length, as ids often are: one join for all of them
        return b"%b%b%b\r\n" % (parts[0], header, (b"\r\n" + header).join(values))
    for value in values:
        if type(value) is bytes:
            parts.append(b"$%d\r\n%b\r\n" % (len(value), value))
        else:
            parts.append(encode(value))
    return b"".join(parts)


def _flat(pairs: Iterable[tuple[Any, Any]]) -> Iterable[Any]:
    return (item for pair in pairs for item in pair)


RESP2: dict[type, Callable[[Any], bytes]] = {}
RESP3: dict[type, Callable[[Any], bytes]] = {}


def encode2(value: Any) -> bytes:
    """`value` as RESP2."""
    return RESP2[type(value)](value)


def encode3(value: Any) -> bytes:
    """`value` as RESP3."""
    return RESP3[type(value)](value)


ALIKE: dict[type, Callable[[Any], bytes]] = {
    int: encode_integer,
    bytes: encode_bulk,
    bytearray: encode_bulk,
    str: encode_text,
    Status: encode_status,
    Encoded: bytes,
}
"""What both protocols write in the same way."""

RESP2.update(
    {
        **ALIKE,
        list: lambda values: _array(values, len(values), b"*", encode2),
        tuple: lambda values: _array(values, len(values), b"*", encode2),
        type(None): lambda _: b"$-1\r\n",
        bool: lambda value: b":1\r\n" if value else b":0\r\n",
        float: lambda value: encode_bulk(format_float(value)),
        LongDouble: lambda value: encode_bulk(value.printed()),
        dict: lambda value: _array(_flat(value.items()), 2 * len(value), b"*", encode2),
        SetReply: lambda value: _array(value, len(value), b"*", encode2),
        Pairs: lambda value: _array(_flat(value), 2 * len(value), b"*", encode2),
        MapReply: lambda value: _array(_flat(value), 2 * len(value), b"*", encode2),
        Push: lambda value: _array(value, len(value), b"*", encode2),
        _NullArray: lambda _: b"*-1\r\n",
        Verbatim: encode_text,
        BigNumber: lambda value: encode_bulk(value),
        Attributed: lambda reply: encode2(reply.value),
    }
)

RESP3.update(
    {
        **ALIKE,
        list: lambda values: _array(values, len(values), b"*", encode3),
        tuple: lambda values: _array(values, len(values), b"*", encode3),
        type(None): lambda _: b"_\r\n",
        bool: lambda value: b"#t\r\n" if value else b"#f\r\n",
        float: lambda value: b",%b\r\n" % format_float(value),
        LongDouble: lambda value: b",%b\r\n" % value.printed(),
        dict: lambda value: _array(_flat(value.items()), len(value), b"%", encode3),
        SetReply: lambda value: _array(value, len(value), b"~", encode3),
        Pairs: lambda value: _array(value, len(value), b"*", encode3),
        MapReply: lambda value: _array(_flat(value), len(value), b"%", encode3),
        Push: lambda value: _array(value, len(value), b">", encode3),
        _NullArray: lambda _: b"_\r\n",
        Verbatim: lambda text: _verbatim(text),
        BigNumber: lambda value: b"(%b\r\n" % value,
        Attributed: lambda reply: (
            _array(_flat(reply.attributes.items()), len(reply.attributes), b"|", encode3) + encode3(reply.value)
        ),
    }
)


def _verbatim(text: Verbatim) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    return b"=%d\r\n%b:%b\r\n" % (len(data) + 4, text.kind.encode(), data)


class _ErrorEncoders(dict[type, Callable[[Any], bytes]]):
    """Every subclass of RedisError is encoded alike, found once per class."""

    def __missing__(self, kind: type) -> Callable[[Any], bytes]:
        if not issubclass(kind, RedisError):
            raise TypeError(f"no command may return a {kind.__name__}")
        self[kind] = encode_error
        return encode_error


RESP2, RESP3 = _ErrorEncoders(RESP2), _ErrorEncoders(RESP3)
