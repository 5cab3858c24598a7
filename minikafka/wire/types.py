"""The vocabulary in which Kafka's messages are declared: types, fields, and the versions they belong to.

A declaration reads like a page of the protocol guide.  Annotations give the types, a value on the right says what
is special about a field:

    @message(api_key=0, versions="3-13", flexible="9+")
    class ProduceRequest(Struct):
        transactional_id: String | None                    None is allowed, and the default
        acks: Int16
        topic_data: list["Topic"]                          an array of a struct declared below

        class Topic(Struct):
            name: String = until(12)                       versions 3 to 12 carry it,
            topic_id: Uuid = since(13)                     later ones this in its place

Kafka keeps one such page per message as JSON and generates Java classes from it.  Here the page is Python, so an
editor knows that `acks` is an int, and `compile.py` turns it into functions when a version is first used.

Every field has a default, as in Kafka: 0, False, "", b"", [], sixteen zero bytes, None where null is allowed, or what
the declaration says.  A field that a version does not carry is left out when encoding, whatever it holds (Kafka
refuses there, unless the field is marked as ignorable), and takes its default when decoding.

Source: KIP-482 (flexible versions), "Kafka protocol guide", and the README of Kafka's message generator.
Next: compile.py.
"""

import base64
import binascii
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, ClassVar, Final, TypeVar, Union, get_args, get_origin


class WireError(Exception):
    """Bytes that are no message of the declared kind: cut short, lengths beyond the end, null where none may be."""


@dataclass(frozen=True, slots=True)
class Wire:
    """How a value travels.  `code` is its letter in the `struct` module, "" for what begins with a length."""

    name: str
    code: str
    size: int
    """Bytes it takes at least, in the older layout; a length counts, what follows it does not."""
    zero: Any


Int8 = Annotated[int, Wire("int8", "b", 1, 0)]
Int16 = Annotated[int, Wire("int16", "h", 2, 0)]
Int32 = Annotated[int, Wire("int32", "i", 4, 0)]
Int64 = Annotated[int, Wire("int64", "q", 8, 0)]
UInt16 = Annotated[int, Wire("uint16", "H", 2, 0)]
UInt32 = Annotated[int, Wire("uint32", "I", 4, 0)]
Float64 = Annotated[float, Wire("float64", "d", 8, 0.0)]
Boolean = Annotated[bool, Wire("boolean", "?", 1, False)]

ZERO_UUID: Final = bytes(16)
Uuid = Annotated[bytes, Wire("uuid", "16s", 16, ZERO_UUID)]
"""Sixteen raw bytes; `uuid_text` gives the form that people and files use."""

String = Annotated[str, Wire("string", "", 2, "")]
"""UTF-8.  As in Kafka, bytes which are none decode to U+FFFD instead of failing."""
Bytes = Annotated[bytes, Wire("bytes", "", 4, b"")]
Buffer = bytes | bytearray | memoryview
Records = Annotated[Buffer, Wire("records", "", 4, b"")]
"""Record batches.  On the wire the same as Bytes; decoded to a view of the frame, encoded without a copy if asked."""


def uuid_text(uuid: bytes) -> str:
    """The 22 characters Kafka prints: base64 with "-" and "_", without padding."""
    return base64.urlsafe_b64encode(uuid)[:22].decode()


def uuid_bytes(text: str) -> bytes:
    """The sixteen bytes behind `uuid_text`.  Raises ValueError for any other text."""
    try:
        uuid = base64.b64decode(text + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        uuid = b""
    if len(uuid) != 16 or "+" in text or "/" in text:
        raise ValueError(f"{text!r} is no uuid")
    return uuid


# ---------------------------------------------------------------------------------------------------- versions


@dataclass(frozen=True, slots=True)
class Versions:
    """From `first` to `last`, both included.  `last` None: no end.  `first` beyond `last`: none."""

    first: int
    last: int | None

    @classmethod
    def parse(cls, text: str) -> "Versions":
        """From "3", "3-13", "9+" or "none", the notation of the protocol guide."""
        if text == "none":
            return NEVER
        first, dash, last = text.rstrip("+").partition("-")
        if text.endswith("+"):
            return cls(int(first), None)
        return cls(int(first), int(last) if dash else int(first))

    def __contains__(self, version: int) -> bool:
        return self.first <= version and (self.last is None or version <= self.last)

    def __iter__(self) -> Iterator[int]:
        assert self.last is not None
        return iter(range(self.first, self.last + 1))

    def __str__(self) -> str:
        if self.last is None:
            return f"{self.first}+"
        if self.last < self.first:
            return "none"
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


ALWAYS: Final = Versions(0, None)
NEVER: Final = Versions(0, -1)

MISSING: Final[Any] = object()
"""Said of a default that follows from the type."""


@dataclass(frozen=True, slots=True)
class Special:
    """What stands on the right of a field that is not plain: see `since`, `until`, `nullable` and `tagged`."""

    versions: Versions = ALWAYS
    default: Any = MISSING
    nullable: Versions | None = None
    tag: int | None = None


def since(first: int, last: int | None = None, *, default: Any = MISSING, nullable: int | None = None) -> Any:
    """A field of the versions from `first` on, or from `first` to `last`.  `nullable`: since when it may be null."""
    return Special(Versions(first, last), default, None if nullable is None else Versions(nullable, None))


def until(last: int, *, default: Any = MISSING) -> Any:
    """A field that goes with version `last`."""
    return Special(Versions(0, last), default)


def nullable(first: int, last: int | None = None, *, default: Any = MISSING) -> Any:
    """A field of every version that may be null only from version `first` on (or from `first` to `last`).

    None is written as "" or [] in the others, which is what Kafka answers there.
    """
    return Special(default=default, nullable=Versions(first, last))


def tagged(tag: int, *, since: int = 0, default: Any = MISSING, nullable: bool = False) -> Any:
    """A field that travels, numbered, in the section at the end of its struct, and only if it differs from its default.

    Older readers skip the numbers they do not know: so fields are added without a new version.  A struct that is
    tagged is None by default, which means absent.  `nullable`: such a struct has in addition, when it is there, the
    byte by which untagged structs tell null.
    """
    return Special(Versions(since, None), default, ALWAYS if nullable else None, tag)


# ------------------------------------------------------------------------------------------------ declarations


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a struct, all its versions."""

    name: str
    item: "Wire | type[Struct]"
    """What it is, or for an array what its items are."""
    is_array: bool
    versions: Versions
    nullable: Versions
    tag: int | None
    default: Any
    """MISSING for a struct that must be there: a fresh one each time."""

    @property
    def struct(self) -> "type[Struct]":
        assert not isinstance(self.item, Wire)
        return self.item


class _StructMeta(type):
    """Turns annotated fields into slots, and keeps what stood on their right."""

    def __new__(mcs, name: str, bases: tuple[type, ...], names: dict[str, Any]) -> "_StructMeta":
        annotations = {
            field: annotation
            for field, annotation in names.get("__annotations__", {}).items()
            if get_origin(annotation) is not ClassVar
        }
        names["__declared__"] = {field: (annotations[field], names.pop(field, MISSING)) for field in annotations}
        names["__slots__"] = tuple(annotations)
        return super().__new__(mcs, name, bases, names)


class Struct(metaclass=_StructMeta):
    """The base of every message, record, and struct inside one: slots, a keyword constructor, `==` and `repr`."""

    __declared__: ClassVar[dict[str, tuple[Any, Any]]]
    __fields__: ClassVar[tuple[Field, ...]]
    __versions__: ClassVar[Versions]
    __flexible__: ClassVar[Versions]
    __api_key__: ClassVar[int]
    __hash__ = None  # type: ignore[assignment]  # its fields change

    def __init__(self, **fields: Any) -> None:
        """Takes any of its fields by name.  Raises TypeError for another."""
        type(self).__init__ = _constructor(type(self))  # type: ignore[method-assign]
        self.__init__(**fields)  # type: ignore[misc]

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)  # type: ignore[attr-defined]
        return f"{type(self).__qualname__}({shown})"


def _constructor(cls: type[Struct]) -> Callable[..., None]:
    """`__init__` as one would write it by hand: a keyword per field, a fresh list for each that is left out."""
    names: dict[str, Any] = {"MISSING": MISSING}
    keywords, lines = [], []
    for field in cls.__fields__:
        names[f"default_{field.name}"] = field.default
        value = field.name
        if field.default == []:
            names[f"default_{field.name}"] = MISSING
            value = f"[] if {field.name} is MISSING else {field.name}"
        elif field.default is MISSING:
            names[f"Fresh_{field.name}"] = field.item
            value = f"Fresh_{field.name}() if {field.name} is MISSING else {field.name}"
        keywords.append(f"{field.name}=default_{field.name}")
        lines.append(f"    self.{field.name} = {value}")
    arguments = f"self, *, {', '.join(keywords)}" if keywords else "self"
    exec("\n".join([f"def __init__({arguments}):", *lines, "    pass"]), names)
    constructor: Callable[..., None] = names["__init__"]
    return constructor


StructType = TypeVar("StructType", bound=Struct)


def message(
    *, versions: str, flexible: str = "none", api_key: int = -1
) -> Callable[[type[StructType]], type[StructType]]:
    """Declares a request or a response: its API, the versions there are, and those in the compact layout.

    Also for what travels inside others without being a message, such as a consumer's subscription: then no `api_key`.
    """

    def declare(cls: type[StructType]) -> type[StructType]:
        cls.__versions__ = Versions.parse(versions)
        cls.__flexible__ = Versions.parse(flexible)
        cls.__api_key__ = api_key
        _resolve(cls, [])
        return cls

    return declare


def _resolve(cls: type[Struct], around: list[type[Struct]]) -> None:
    """Replace the names of structs by the structs, here and in all that are declared inside."""
    scopes = [cls, *around]
    cls.__fields__ = tuple(
        _field(name, annotation, right, scopes) for name, (annotation, right) in cls.__declared__.items()
    )
    for inner in vars(cls).values():
        if isinstance(inner, _StructMeta) and issubclass(inner, Struct) and inner not in scopes:
            _resolve(inner, scopes)


def _field(name: str, annotation: Any, right: Any, scopes: list[type[Struct]]) -> Field:
    special = right if isinstance(right, Special) else Special(default=right)
    may_be_null = False
    if isinstance(annotation, str) and annotation.endswith(" | None"):
        annotation, may_be_null = annotation.removesuffix(" | None"), True
    elif get_origin(annotation) in (Union, UnionType):
        annotation, none = get_args(annotation)
        assert none is type(None), f"{name}: only `| None` makes sense on the wire"
        may_be_null = True
    is_array = get_origin(annotation) is list
    if is_array:
        (annotation,) = get_args(annotation)
    item = _item(annotation, scopes)
    nulls = special.nullable or (ALWAYS if may_be_null else NEVER)
    if special.tag is not None and not special.nullable and not isinstance(item, Wire) and not is_array:
        nulls = NEVER  # None says that the tag is absent
    default = special.default
    if default is MISSING:
        if may_be_null or special.nullable:
            default = None
        elif is_array:
            default = []
        elif isinstance(item, Wire):
            default = item.zero
    return Field(name, item, is_array, special.versions, nulls, special.tag, default)


def _item(annotation: Any, scopes: list[type[Struct]]) -> "Wire | type[Struct]":
    if isinstance(annotation, str):
        annotation = annotation.rpartition(".")[2]
        found: type[Struct] = next(vars(scope)[annotation] for scope in scopes if annotation in vars(scope))
        return found
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return annotation
    wire: Wire = annotation.__metadata__[0]
    return wire
