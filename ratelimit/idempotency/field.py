"""The Idempotency-Key field: from a request's header lines to the name under which the store knows it.

    Idempotency-Key: "8e03978e-40d5-43e8-bc93-6894a57f9324"        a Structured Field String, as the draft has it
    Idempotency-Key: 8e03978e-40d5-43e8-bc93-6894a57f9324          as Stripe's and many other clients send it

Both name the same key.  A key is only unique to whoever chose it, so its name is made of both: two users with one key
neither see nor block each other.  The name is a digest, as credentials have no business in a store's key space.

The *fingerprint* is a digest of the request: the same key with another one is a client's mistake.

Where this differs from the draft: parameters of the item are read over, since none is defined.

Source: draft-ietf-httpapi-idempotency-key-header-07 §2.1, §5; RFC 9651 §3.3.3 (String), §4.2.5 (parsing it).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple

FIELD = b"idempotency-key"
KEY_BYTES_MAX = 255

# A String is printable ASCII between quotes, \ only before " and \; parameters may follow, but no second item.
STRING = re.compile(rb'"((?:[ !#-\[\]-~]|\\["\\])*)"(?: *;[ -+\--~]*)?')
BARE = re.compile(rb"[!#-+\--:<-\[\]-~]+")  # visible ASCII but " , ; \
ESCAPED = re.compile(rb"\\(.)")


class Request(NamedTuple):
    """What an idempotency handler has to know of a request.

    target   path and query as they stood in the request line
    headers  names in lower case
    user     as whoever authenticated the request named them; "" when nobody did
    """

    method: str
    target: bytes
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes = b""
    user: str = ""


Who = Callable[[Request], bytes]
"""Whose key it is: anything that tells users apart, and is the same when one of them tries again."""


class KeyMissing(Exception):
    """There is no Idempotency-Key."""


class KeyMalformed(Exception):
    """There is one, but it cannot be read; the text says why."""


def key_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The key of a request.  Raises KeyMissing and KeyMalformed."""
    lines = [value for name, value in headers if name == FIELD]
    if not lines:
        raise KeyMissing
    if len(lines) > 1:
        raise KeyMalformed("the field is given more than once")
    value = lines[0].strip(b" \t")
    if string := STRING.fullmatch(value):
        key = string[1] if b"\\" not in value else ESCAPED.sub(rb"\1", string[1])
    elif BARE.fullmatch(value):
        key = value
    else:
        raise KeyMalformed('the value is neither a quoted string of printable ASCII, as in "8e03978e", nor a bare word')
    if not key:
        raise KeyMalformed("the key is empty")
    if len(key) > KEY_BYTES_MAX:
        raise KeyMalformed(f"the key has {len(key)} bytes, of at most {KEY_BYTES_MAX}")
    return key


def name_of(who: bytes, key: bytes) -> str:
    """Under which name the store knows `key` of `who`: 64 hexadecimal digits."""
    return sha256(b"%d:%b%b" % (len(who), who, key)).hexdigest()  # the length, or "ab" + "c" would be "a" + "bc"


def fingerprint_of(request: Request) -> bytes:
    """16 bytes that tell requests apart."""
    digest = sha256(b"%b %d:%b" % (request.method.encode(), len(request.target), request.target))
    digest.update(request.body)
    return digest.digest()[:16]


def header(name: str) -> Who:
    """Whoever sent this value in the header `name`; all that sent none are one."""
    wanted = name.lower().encode()
    return lambda request: b"\n".join(value for field, value in request.headers if field == wanted)


def cookie(name: str) -> Who:
    """Whoever sent this value in the cookie `name`; all that sent none are one."""
    wanted = name.encode()

    def who(request: Request) -> bytes:
        pairs = (pair for field, value in request.headers if field == b"cookie" for pair in value.split(b";"))
        split = (pair.strip().partition(b"=") for pair in pairs)
        return next((value for cookie_name, _, value in split if cookie_name == wanted), b"")

    return who


def user(request: Request) -> bytes:
    """The user whom an outer layer has authenticated."""
    return request.user.encode()


def anyone(_: Request) -> bytes:
    """All are one: right where only one client calls, or where keys are secret and answers are not."""
    return b""
