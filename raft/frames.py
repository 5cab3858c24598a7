"""Raft's messages as bytes: a msgpack list of the group, the message's number, and its fields in the order of messages.py.

    AppendEntries of group 7  ->  [7, 5, sender, to, term, previous_index, previous_term, [entry ...], commit]
                                  where an entry is [index, term, kind, data]

Nothing names a field, so a declaration in messages.py is the wire format: a field may be added at the end, with a default,
and then servers of two versions still understand each other; none may change its place.

Next: transport.py carries these bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any, cast

import msgpack

from raft.membership import Membership
from raft.messages import MESSAGE_NUMBERS, AppendEntries, Entry, EntryKind, InstallSnapshot, Message


class BadMessage(Exception):
    """These bytes are no message of ours."""


KINDS = {number: kind for kind, number in MESSAGE_NUMBERS.items()}
FIELDS: dict[type[Any], Callable[[Any], tuple[Any, ...]]] = {
    kind: attrgetter(*(field.name for field in fields(kind))) for kind in MESSAGE_NUMBERS
}


def encode(group: int, message: Message) -> bytes:
    """The payload of one message of that group."""
    kind = type(message)
    return cast(bytes, msgpack.packb((group, MESSAGE_NUMBERS[kind], *FIELDS[kind](message)), default=_nested))


def _nested(value: Any) -> Any:
    if isinstance(value, Entry):
        return (value.index, value.term, value.kind, value.data)
    if isinstance(value, Membership):
        return value.encode()
    raise TypeError(f"no field of a message: {value!r}")


def decode(payload: bytes) -> tuple[int, Message]:
    """The group and the message.  Raises BadMessage."""
    try:
        group, number, *values = msgpack.unpackb(payload, use_list=False)
        kind = cast(Callable[..., Message], KINDS[number])
        message = kind(*values)
        if isinstance(message, AppendEntries):
            message.entries = tuple(decode_entry(*each) for each in cast(Any, message.entries))
        elif isinstance(message, InstallSnapshot):
            message.membership = Membership.decode(cast(Any, message.membership))
    except (ValueError, TypeError, KeyError) as error:
        raise BadMessage(f"{error!r} in {bytes(payload[:60])!r}") from None
    return group, message


def decode_entry(index: int, term: int, kind: int, data: bytes) -> Entry:
    """An entry from its four fields."""
    return Entry(index, term, EntryKind(kind), data)
