"""Whose request is it?  The client's address behind proxies, and the one number that stands for a whole network.

A limit by address is as good as the address.  The peer of the socket is the nearest proxy; behind it stands only what
was written into X-Forwarded-For or Forwarded, and anybody can write there.  So the list is read from the right, where
the nearest hop wrote, for as long as the writer is a proxy of ours:

    X-Forwarded-For: 1.1.1.1, 203.0.113.9, 10.0.0.7        peer 10.0.0.2, trusted 10.0.0.0/8
                     forged   the client   a proxy                a proxy

    10.0.0.2 is trusted: what it wrote, 10.0.0.7, is true.  So is that one: 203.0.113.9 is true.  That one is a stranger,
    so it is the client, and what it claims further left is not read.

An element that is no address ("unknown", "_hidden") ends the walk at the proxy that wrote it.  A household has one IPv4
address but at least 2**64 of IPv6, so addresses are cut to a prefix: 32 and 64 bits unless a rule says otherwise.

Sources: RFC 7239 (Forwarded), §4 and §6; RFC 4291 §2.5.5.2 (IPv4-mapped addresses); RFC 6177 (/64 to /48 for a site).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Sequence
from typing import Literal

FORWARDED_MOST = 64
"""Elements read of a chain at most: no honest request passed more proxies."""

CACHE_MOST = 16_384
"""Addresses whose network is remembered; beyond, all are forgotten at once, which is cheaper than knowing the oldest."""

CHAIN_KNOWN_MOST = 256
"""Longer chains are walked each time, and not remembered."""

ForwardedBy = Literal["none", "x-forwarded-for", "forwarded"]
Packed = bytes
"""An address in network order: 4 bytes or 16; IPv4 in IPv6's clothes is unpacked to 4."""

MAPPED = b"\0" * 10 + b"\xff\xff"


class AddressError(ValueError):
    """Not an address, or not a network: `str()` says why."""


def pack(text: str) -> Packed | None:
    """The bytes of an address in any of its spellings, None when it is none; a zone ("%eth0") is dropped."""
    try:
        if ":" not in text:
            return socket.inet_pton(socket.AF_INET, text)
        packed = socket.inet_pton(socket.AF_INET6, text.partition("%")[0])
    except (OSError, ValueError):  # ValueError: a zero byte or a letter that no address has
        return None
    return packed[12:] if packed.startswith(MAPPED) else packed


def unpack(packed: Packed) -> str:
    """The one canonical spelling."""
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def without_port(text: str) -> str:
    """`1.2.3.4:80`, `[::1]:80` and `[::1]` to the address in them."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


class Network:
    """A range of addresses: "10.0.0.0/8", "2001:db8::/32", or one address."""

    def __init__(self, text: str) -> None:
        """Raises AddressError."""
        address, slash, length = text.strip().partition("/")
        packed = pack(address)
        if packed is None:
            raise AddressError(f"{text!r} is not an address or a network")
        bits = len(packed) * 8
        if slash and (not length.isdecimal() or int(length) > bits):
            raise AddressError(f"{text!r}: the prefix length must be 0 to {bits}")
        self._size, self._shift = len(packed), bits - (int(length) if slash else bits)
        self._prefix = int.from_bytes(packed, "big") >> self._shift
        if int.from_bytes(packed, "big") != self._prefix << self._shift:
            cut = unpack((self._prefix << self._shift).to_bytes(self._size, "big"))
            raise AddressError(f"{text!r} has bits beyond its prefix; do you mean {cut}/{length}?")
        self.text = f"{unpack(packed)}/{bits - self._shift}"

    def __contains__(self, packed: Packed) -> bool:
        return len(packed) == self._size and int.from_bytes(packed, "big") >> self._shift == self._prefix

    def __repr__(self) -> str:
        return f"Network({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


class Prefixes:
    """Addresses cut to the network they stand for, as text: "203.0.113.7", "2001:db8:1:2::/64"."""

    def __init__(self, ipv4: int = 32, ipv6: int = 64) -> None:
        """Raises AddressError for lengths beyond 32 and 128."""
        for family, length, most in (("IPv4", ipv4, 32), ("IPv6", ipv6, 128)):
            if not 0 <= length <= most:
                raise AddressError(f"an {family} prefix has 0 to {most} bits, not {length}")
        self.ipv4, self.ipv6 = ipv4, ipv6
        self._known: dict[str, str] = {}

    def of(self, address: str) -> str:
        """The network of `address`; what is no address (the path of a Unix socket) stands for itself."""
        network = self._known.get(address)
        if network is None:
            if len(self._known) >= CACHE_MOST:
                self._known.clear()
            network = self._known[address] = self._cut(address)
        return network

    def _cut(self, address: str) -> str:
        packed = pack(address)
        if packed is None:
            return address
        bits = len(packed) * 8
        length = self.ipv4 if bits == 32 else self.ipv6
        if length == bits:
            return unpack(packed)
        kept = int.from_bytes(packed, "big") >> (bits - length) << (bits - length)
        return f"{unpack(kept.to_bytes(len(packed), 'big'))}/{length}"


class Proxies:
    """Which proxies are believed, and in which field they write.

    field    "none": the peer is the client;  trusted: networks of our own proxies
    """

    def __init__(self, trusted: Iterable[str] = (), field: ForwardedBy = "x-forwarded-for") -> None:
        """Raises AddressError."""
        self.trusted = tuple(Network(text) for text in trusted)
        self.field: ForwardedBy = field
        self._known: dict[tuple[str, str, bool], str] = {}

    def client(self, peer: str, chain: str, *, believe_peer: bool = False) -> str:
        """The client's address.

        peer            who is connected, "" over a Unix socket, where only our own proxies are
        chain           the field's value, of several lines joined by commas, or ""
        believe_peer    the peer is a proxy whatever its address: it calls on behalf of its clients
        """
        if not chain or self.field == "none" or not (believe_peer or self.trusted):
            return peer
        asked = peer, chain, believe_peer
        client = self._known.get(asked)
        if client is None:
            client = self._walk(peer, chain) if believe_peer or not peer or self._trusts(peer) else peer
            if len(chain) <= CHAIN_KNOWN_MOST:
                if len(self._known) >= CACHE_MOST:
                    self._known.clear()
                self._known[asked] = client
        return client

    def _walk(self, peer: str, chain: str) -> str:
        client = peer
        for element in x_forwarded_for(chain) if self.field == "x-forwarded-for" else forwarded_for(chain):
            packed = pack(without_port(element))
            if packed is None:
                break
            client = unpack(packed)
            if not self._trusts_packed(packed):
                break
        return client

    def _trusts(self, address: str) -> bool:
        packed = pack(address)
        return packed is not None and self._trusts_packed(packed)

    def _trusts_packed(self, packed: Packed) -> bool:
        return any(packed in network for network in self.trusted)


def x_forwarded_for(value: str) -> list[str]:
    """The elements, the nearest hop first; at most FORWARDED_MOST.  Empty ones do not count (RFC 9110 §5.6.1)."""
    elements = reversed(value.rsplit(",", FORWARDED_MOST)[-FORWARDED_MOST:])
    return [element for each in elements if (element := each.strip())]


QUOTED = r'"(?:[^"\\]|\\.)*"'
ELEMENT = re.compile(rf'(?:{QUOTED}|[^",])+')
FOR = re.compile(rf'(?:^|;)\s*for\s*=\s*({QUOTED}|[^\s;,"]*)', re.IGNORECASE)


def forwarded_for(value: str) -> Sequence[str]:
    """`for` of each element of a Forwarded field, the nearest hop first, "" where there is none.

    A quote that stays open makes everything unreadable: then there is no element.
    """
    if ELEMENT.sub("", value).strip(", "):
        return []
    found = []
    for element in reversed(ELEMENT.findall(value)[-FORWARDED_MOST:]):
        if not element.strip():
            continue
        match = FOR.search(element)
        node = match[1] if match else ""
        found.append(re.sub(r"\\(.)", r"\1", node[1:-1]) if node.startswith('"') else node)
    return found
