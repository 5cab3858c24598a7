"""Everything that is declared, and how it reads in the notation of the schemas recorded from Kafka's jars."""

from collections.abc import Iterator
from pathlib import Path

from minikafka.records import consumer_groups, coordinator, metadata
from minikafka.wire.apis import APIS
from minikafka.wire.types import Field, Struct, Wire

GOLDEN = Path(__file__).parents[2] / "golden" / "kafka"

OUR_OWN = 30_000
"""API keys from here on are spoken between our nodes alone: no schema of Kafka's has them."""

KAFKAS_APIS = {key: api for key, api in APIS.items() if key < OUR_OWN}
MESSAGES: list[type[Struct]] = [cls for api in APIS.values() for cls in (api.request, api.response)]

RECORDS: list[type[Struct]] = [
    cls
    for module in (metadata, coordinator, consumer_groups)
    for cls in vars(module).values()
    if isinstance(cls, type) and issubclass(cls, Struct) and cls.__module__ == module.__name__
]

ALL = MESSAGES + RECORDS
VERSIONS = [(cls, version) for cls in ALL for version in cls.__versions__]


def name_of(case: object) -> str:
    return case.__name__ if isinstance(case, type) else str(case)


def lines(cls: type[Struct], version: int) -> list[str]:
    """The fields of a version, one a line, structs indented: what schemas.txt has below its headings."""
    return list(_struct(cls, version, version in cls.__flexible__, "  "))


def _struct(cls: type[Struct], version: int, flexible: bool, indent: str) -> Iterator[str]:
    present = [field for field in cls.__fields__ if version in field.versions]
    plain = [field for field in present if field.tag is None]
    tagged = sorted((field for field in present if field.tag is not None), key=lambda field: field.tag)
    for field in plain + tagged:
        tag = "" if field.tag is None else f"tag {field.tag} "
        kind = _kind(field, version, flexible)
        inside = not isinstance(field.item, Wire)
        yield f"{indent}{tag}{field.name} {kind}{' {' if inside else ''}"
        if inside:
            yield from _struct(field.struct, version, flexible, indent + "  ")
            yield f"{indent}}}"


def _kind(field: Field, version: int, flexible: bool) -> str:
    compact = "compact_" if flexible else ""
    null = "nullable_" if version in field.nullable else ""
    if field.is_array:
        of = f" of {_plain(field.item, compact)}" if isinstance(field.item, Wire) else ""
        return f"{compact}{null}array{of}"
    if not isinstance(field.item, Wire):
        return "struct"
    if field.item.name == "records":
        return f"{compact}records"
    if field.item.name in ("string", "bytes"):
        return f"{compact}{null}{field.item.name}"
    return field.item.name


def _plain(item: Wire, compact: str) -> str:
    return item.name if item.code else f"{compact}{item.name}"


def recorded(path: Path) -> dict[tuple[str, int], tuple[str, list[str]]]:
    """(name, version) -> (rest of the heading, lines) of a file of schemas."""
    found: dict[tuple[str, int], tuple[str, list[str]]] = {}
    block: list[str] = []
    for line in path.read_text().splitlines():
        words = line.split()
        if line.startswith("  "):
            block.append(line)
        elif len(words) >= 2 and words[1][0] == "v" and words[1][1].isdigit():
            first, _, last = words[1][1:].partition("-")
            block = []
            for version in range(int(first), int(last or first) + 1):
                found[words[0], version] = (" ".join(words[2:]), block)
    return found
