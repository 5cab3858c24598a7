"""Messages as plain values that two runs of a story can be compared by.

A server hands out values that no other run will see again: member ids, topic ids, producer ids.  Each gets a name when
it first appears in a story, `<uuid 1>`, and the same name wherever it appears again, in answers and in requests; so it
is not only tolerated, it must also come back where it should.  Values that mean nothing at all to a comparison, a port
or the time of day, are `<any>`.

    message --plain--> dicts and lists, records opened, lists in an order of our own --named--> the same, with names

Of a text for people only its presence counts: the wording is each server's own.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from typing import Any, NamedTuple

from minikafka.records.batch import BadBatch, checksum_holds, read_header, read_records
from minikafka.wire.types import ZERO_UUID, Field, Struct, uuid_text

ANY = "<any>"

WILDCARDS = {"port", "controller_id", "throttle_time_ms", "cluster_id", "finalized_features_epoch"}
TEXTS = {"error_message", "batch_index_error_message", "documentation"}
NUMBERED = {"producer_id": "producer", "session_id": "session"}
"""Fields whose positive values are handed out, and what to call them."""

RECENTLY_MS = 1_750_000_000_000
"""Times after this were read off a clock; those before it are the stories' own."""

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

IDENTITY = (
    "name", "topic", "topic_name", "group_id", "resource_type", "resource_name", "api_key", "node_id", "broker_id", "key",
    "index", "partition_index", "partition", "partition_id", "group_instance_id", "member_id", "client_id", "metadata",
)  # fmt: skip
"""What tells the items of a list apart: servers list them as their hash tables will."""
SETS = {"isr_nodes", "offline_replicas", "eligible_leader_replicas"}


class HandedOut(str):
    """A value to be replaced by a name; what it is called stands in front: `uuid`, `producer`, `session`."""

    __slots__ = ("kind",)
    kind: str

    def __new__(cls, kind: str, value: object) -> "HandedOut":
        self = super().__new__(cls, value)
        self.kind = kind
        return self


class Names:
    """The names of one story, in order of appearance."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}

    def __call__(self, kind: str, value: str) -> str:
        if (kind, value) not in self._names:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._names[kind, value] = f"<{kind} {self._counts[kind]}>"
        return self._names[kind, value]

    def canonical(self, message: Struct, version: int) -> dict[str, Any]:
        """`message` as two runs agree on it."""
        value = self._named(plain(message, version))
        assert isinstance(value, dict)
        return value

    def _named(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._named(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._named(item) for item in value]
        if isinstance(value, HandedOut):
            return self(value.kind, str(value))
        if isinstance(value, str):
            return UUID.sub(lambda found: self("uuid", found[0]), value)
        return value


def plain(message: Struct, version: int) -> dict[str, Any]:
    """The fields of this version by name; what was not said of a tagged field is left out."""
    result = {}
    for field in message.__fields__:
        value = getattr(message, field.name)
        if version not in field.versions or (field.tag is not None and value in (field.default, None)):
            continue
        result[field.name] = _field(field, value, version)
    return result


def _field(field: Field, value: Any, version: int) -> Any:
    if field.name in WILDCARDS:
        return ANY
    if value is None:
        return None
    if field.is_array:
        return _array(field, value, version)
    if isinstance(value, Struct):
        return plain(value, version)
    return _single(field, value)


def _array(field: Field, value: list[Any], version: int) -> list[Any]:
    if value and isinstance(value[0], Struct):
        return sorted((plain(item, version) for item in value), key=_identity)
    items = [_single(field, item) for item in value]
    return sorted(items) if field.name in SETS else items


def _single(field: Field, value: Any) -> Any:
    kind = getattr(field.item, "name", "")
    if field.name in TEXTS:
        return "<text>"
    if kind == "records":
        return list(_batches(bytes(value)))
    if kind == "uuid":
        return "<zero uuid>" if value == ZERO_UUID else HandedOut("uuid", uuid_text(value))
    if field.name in NUMBERED and value > 0:
        return HandedOut(NUMBERED[field.name], value)
    if field.name == "log_append_time_ms" and value > RECENTLY_MS:
        return ANY
    return bytes(value) if kind == "bytes" else value


def _identity(item: dict[str, Any]) -> tuple[str, ...]:
    return tuple(_sortable(item[name]) for name in IDENTITY if name in item)


def _sortable(value: Any) -> str:
    return f"{value:020}" if isinstance(value, int) else UUID.sub("", repr(value))


def _batches(data: bytes) -> Iterable[dict[str, Any]]:
    """Each batch of a run: its header by field, and what it holds.  A tail that is no whole batch stays bytes."""
    position = 0
    while position < len(data):
        try:
            batch = read_header(data, position)
            if position + batch.size > len(data):
                raise BadBatch("cut off")
        except BadBatch:
            yield {"bytes": data[position:]}
            return
        shown: dict[str, Any] = batch._asdict()
        if batch.producer_id >= 0:
            shown["producer_id"] = HandedOut("producer", batch.producer_id)
        if batch.is_log_append_time:
            shown |= {"max_timestamp": ANY}
        shown["crc"] = "good" if checksum_holds(data, position, batch) else "bad"
        shown["records"] = _records(data, position)
        yield shown
        position += batch.size


def _records(data: bytes, position: int) -> Any:
    try:
        records = list(read_records(data, position))
    except BadBatch:
        return data[position + 61 :]
    if read_header(data, position).is_log_append_time:
        return [(record.offset, record.key, record.value, list(record.headers)) for record in records]
    return [(record.offset, record.timestamp_ms, record.key, record.value, list(record.headers)) for record in records]


class Difference(NamedTuple):
    """Where two canonical values part."""

    path: str
    """From the message to the field, "topics[0].error_code"."""
    recorded: Any
    played: Any


ABSENT = "<absent>"


def differences(recorded: Any, played: Any, path: str = "") -> Iterator[Difference]:
    """Every place where two canonical values part, as deep as can be."""
    if isinstance(recorded, dict) and isinstance(played, dict):
        for key in [*recorded, *(key for key in played if key not in recorded)]:
            yield from differences(recorded.get(key, ABSENT), played.get(key, ABSENT), f"{path}.{key}".strip("."))
    elif isinstance(recorded, list) and isinstance(played, list):
        for at, (left, right) in enumerate(zip_longest(recorded, played, fillvalue=ABSENT)):
            yield from differences(left, right, f"{path}[{at}]")
    elif recorded != played:
        yield Difference(path, recorded, played)


def render(value: dict[str, Any], width: int = 110) -> list[str]:
    """Canonical values for the eye: scalars side by side, what is nested indented below."""
    lines: list[str] = []
    row = ""
    for key, item in value.items():
        if _nested(item):
            if row:
                lines.append(row)
            row = ""
            lines += [key, *_indented(item, width)]
            continue
        cell = f"{key} {_scalar(item)}"
        if row and len(row) + len(cell) + 2 > width:
            lines.append(row + ",")
            row = cell
        else:
            row = f"{row}, {cell}" if row else cell
    return [*lines, row] if row else lines


def _indented(item: Any, width: int) -> list[str]:
    if isinstance(item, dict):
        return ["  " + line for line in render(item, width - 2)]
    lines = []
    for entry in item:
        inner = render(entry, width - 4) or ["(nothing)"] if isinstance(entry, dict) else [_scalar(entry)]
        lines += [f"  - {inner[0]}", *(f"    {line}" for line in inner[1:])]
    return lines


def _nested(item: Any) -> bool:
    return isinstance(item, dict) or (isinstance(item, list) and bool(item) and not isinstance(item[0], int | str))


def _scalar(item: Any) -> str:
    if isinstance(item, bytes) and len(item) > 200:
        return f"{item[:60]!r} and {len(item) - 60} bytes"
    if isinstance(item, tuple):
        return ", ".join(map(_scalar, item))
    return str(item) if isinstance(item, str) and item.startswith("<") else repr(item)


Canonical = Callable[[Struct, int], dict[str, Any]]
