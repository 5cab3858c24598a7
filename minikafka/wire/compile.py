"""From declarations to functions: one straight line of code per message, version and direction.

    encode(ProduceResponse(...), 9) -> bytes          decode(ProduceRequest, 9, frame, position) -> (request, end)

Walking the declaration for each message would ask the same questions again and again: is the field there in this
version, compact, nullable?  Here they are asked once.  The first use of a version writes the Python function that a
patient person would write by hand and compiles it (about a millisecond); `show.py` prints it.

What makes the functions fast:
- neighbours of fixed size share one `struct` call, and the length of what follows belongs to them: a compact length
  is below 127 nearly always and then a single byte, for the others there is a branch;
- no bounds check per string.  A position never moves back and a slice never exceeds the data, so a length that is
  too large leads the next read, or the one check at the end, beyond it.  A count needs none either: each
  item takes a byte at least, so the data end before the memory does;
- an object is made without its constructor, each field assigned once;
- record batches are neither copied nor looked at: a view when decoding, a part of its own with `encode_parts`.

Layouts (KIP-482 brought the second; all integers big-endian):

                 older                                flexible versions
    string       int16 length, bytes                  varint length + 1, bytes
    bytes        int32 length, bytes                  varint length + 1, bytes
    array        int32 count, items                   varint count + 1, items
    null         length -1                            0
    struct       its fields                           its fields, varint count, (varint tag, varint size, value)*
    struct that may be null       int8 -1 for null, else 1 and the struct, in both

Kafka keeps the tagged fields it does not know and sends them on; here they are skipped.
"""

import keyword
import struct
from collections.abc import Callable
from typing import Any, NoReturn

from minikafka.wire.types import Buffer, Field, Struct, StructType, Wire, WireError
from minikafka.wire.varint import read_unsigned_varint, unsigned_varint

Decoder = Callable[[Any, int], tuple[StructType, int]]
Part = Buffer

JOIN_BELOW = 2048
"""Records smaller than this are copied by `encode_parts`: cheaper than one more buffer for the kernel to gather."""


def encode(value: Struct, version: int) -> bytes:
    """The body of a message, without header.  Raises WireError for a version that its class does not have."""
    result: bytes = _encoders[type(value), version](value)
    return result


def encode_parts(value: Struct, version: int) -> list[Part]:
    """As `encode`, in parts to be written one after the other: the large Records stay the buffers they are."""
    result: list[Part] = _part_encoders[type(value), version](value)
    return result


def decode(cls: type[StructType], version: int, data: bytes | bytearray, position: int = 0) -> tuple[StructType, int]:
    """The message that begins at `position`, and where it ends.  Raises WireError when the bytes are none."""
    value: StructType
    value, end = _decoders[cls, version](data, position)
    return value, end


def encoder(cls: type[StructType], version: int) -> Callable[[StructType], bytes]:
    """The function behind `encode`, for those who would look it up often."""
    function: Callable[[StructType], bytes] = _encoders[cls, version]
    return function


def decoder(cls: type[StructType], version: int) -> Decoder[StructType]:
    """The function behind `decode`: (data, position) -> (value, end)."""
    function: Decoder[StructType] = _decoders[cls, version]
    return function


def part_encoder(cls: type[StructType], version: int) -> Callable[[StructType], list[Part]]:
    """The function behind `encode_parts`."""
    function: Callable[[StructType], list[Part]] = _part_encoders[cls, version]
    return function


class _Compiled(dict[tuple[type[Struct], int], Any]):
    """Functions by class and version, each compiled when it is first asked for."""

    def __init__(self, source: "Callable[[type[Struct], int], Source]") -> None:
        super().__init__()
        self._source = source

    def __missing__(self, key: tuple[type[Struct], int]) -> Any:
        cls, version = key
        if version not in cls.__versions__:
            raise WireError(f"{cls.__name__} has no version {version}, only {cls.__versions__}")
        function = self[key] = self._source(cls, version).function()
        return function


class Source:
    """The text of one function under construction, and the objects which it names."""

    def __init__(self, cls: type[Struct], version: int) -> None:
        self.cls = cls
        self.version = version
        self.flexible = version in cls.__flexible__
        self.lines: list[str] = []
        self.depth = 1
        self.names: dict[str, Any] = {"WireError": WireError}
        self._variables: set[str] = set()

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def variable(self, wanted: str) -> str:
        """A name that no other struct of this function has."""
        name, number = wanted, 1
        while name in self._variables or name in RESERVED:
            number += 1
            name = f"{wanted}{number}"
        self._variables.add(name)
        return name

    def layout(self, codes: str, direction: str) -> str:
        """The name of a `struct` function, such as pack_hiB for two integers and a length byte (pack_o: a boolean)."""
        name = f"{direction}_{codes.replace('?', 'o')}"
        packing = struct.Struct(">" + codes)
        self.names[name] = packing.pack if direction == "pack" else packing.unpack_from
        return name

    def constant(self, wanted: str, value: Any) -> str:
        """A name for an object; another if the name stands for something else already."""
        name, number = wanted, 1
        while name in self.names and self.names[name] is not value:
            number += 1
            name = f"{wanted}{number}"
        self.names[name] = value
        return name

    def fields(self, cls: type[Struct]) -> list[Field]:
        """The untagged fields that this version has, in order."""
        return [field for field in cls.__fields__ if self.version in field.versions and field.tag is None]

    def tagged_fields(self, cls: type[Struct]) -> list[Field]:
        fields = [field for field in cls.__fields__ if self.version in field.versions and field.tag is not None]
        return sorted(fields, key=lambda field: field.tag or 0)

    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    def function(self) -> Any:
        name = f"<{type(self).__name__} {self.cls.__name__} {self.version}>"
        exec(compile(self.text(), name, "exec"), self.names)
        return self.names[FUNCTION[type(self)]]


RESERVED = set(keyword.kwlist) | {
    *("data", "position", "end", "n", "tags", "tag", "size", "item", "uuid"),
    *("out", "push", "parts", "raw", "section", "count", "join", "pack", "null", "varint", "new"),
    *("bytes", "len", "list", "memoryview", "range"),
}
"""Names that the written functions use for themselves."""


# -------------------------------------------------------------------------------------------------------- decode


class DecodeSource(Source):
    """Writes `decode(data, position) -> (value, end)`."""

    def __init__(self, cls: type[Struct], version: int) -> None:
        super().__init__(cls, version)
        self._run: list[tuple[str, str]] = []  # (what is assigned, struct code): neighbours not yet read
        self.names |= {
            "new": object.__new__,
            "read_varint": read_unsigned_varint,
            "skip_tags": skip_tags,
            "unpack_from": struct.unpack_from,
            "iter_unpack": struct.iter_unpack,
            "malformed": (struct.error, IndexError),
        }
        self.depth = 0
        self.line("def decode(data, position):")
        self.depth = 1
        self.line("try:")
        self.depth = 2
        root = self.variable(_snake(cls.__name__))
        self._struct(cls, root)
        self._flush()
        self.depth = 1
        self.line("except malformed as error:")
        self.line(f'    raise WireError("{cls.__name__} v{version}: cut short") from error')
        self.line("if position > len(data):")
        self.line(f'    raise WireError("{cls.__name__} v{version}: a length reaches beyond the end")')
        self.line(f"return {root}, position")

    def _read(self, target: str, code: str) -> None:
        """Let `target` be read together with its neighbours."""
        self._run.append((target, code))

    def _flush(self) -> None:
        if not self._run:
            return
        targets, codes = zip(*self._run, strict=True)
        self._run = []
        if codes == ("B",):
            self.line(f"{targets[0]} = data[position]")
            self.line("position += 1")
            return
        layout = "".join(codes)
        comma = "," if len(targets) == 1 else ""
        self.line(f"{', '.join(targets)}{comma} = {self.layout(layout, 'unpack')}(data, position)")
        self.line(f"position += {struct.calcsize('>' + layout)}")

    def _length(self, code: str, target: str, may_be_null: bool, name: str) -> str:
        """Read a length or count into `n` and begin the block for what is not null; the length as an expression."""
        self._read("n", "B" if self.flexible else code)
        self._flush()
        if self.flexible:
            self.line("if n > 127:")
            self.line("    n, position = read_varint(data, position - 1)")
        self.line("if n == 0:" if self.flexible else "if n < 0:")
        if may_be_null:
            self.line(f"    {target} = None")
        else:
            self.line(f'    raise WireError("{self.cls.__name__} v{self.version}: {name} is null")')
        self.line("else:")
        return "n - 1" if self.flexible else "n"

    def _struct(self, cls: type[Struct], name: str) -> None:
        made = self.constant(cls.__name__, cls)
        self.line(f"{name} = new({made})")
        for field in cls.__fields__:
            if self.version not in field.versions or field.tag is not None:
                self._absent(field, f"{name}.{field.name}")
        for field in self.fields(cls):
            self._field(field, f"{name}.{field.name}")
        if self.flexible:
            self._tags(cls, name)

    def _absent(self, field: Field, target: str) -> None:
        default = field.default
        if default == []:
            self.line(f"{target} = []")
        elif isinstance(default, (int, float, str, type(None))):
            self.line(f"{target} = {default!r}")
        elif isinstance(default, bytes):
            self.line(f"{target} = {self.constant('ZERO_UUID', default) if len(default) == 16 else repr(default)}")
        else:
            self.line(f"{target} = {self.constant(f'Fresh_{field.name}', field.item)}()")

    def _field(self, field: Field, target: str) -> None:
        may_be_null = self.version in field.nullable
        if field.is_array:
            self._array(field, target, may_be_null)
        elif isinstance(field.item, Wire):
            self._scalar(field.item, target, may_be_null, field.name)
        elif may_be_null:
            self._read("n", "b")
            self._flush()
            self.line("if n < 0:")
            self.line(f"    {target} = None")
            self.line("else:")
            self.depth += 1
            self._nested(field, target)
            self._flush()
            self.depth -= 1
        else:
            self._nested(field, target)

    def _nested(self, field: Field, target: str) -> None:
        self._flush()
        inner = self.variable(field.name)
        self._struct(field.struct, inner)
        self._flush()
        self.line(f"{target} = {inner}")

    def _scalar(self, wire: Wire, target: str, may_be_null: bool, name: str) -> None:
        if wire.code:
            self._read(target, wire.code)
            return
        length = self._length("h" if wire.name == "string" else "i", target, may_be_null, name)
        self.line(f"    end = position + {length}")
        self.line(f"    {target} = {self._slice(wire)}")
        self.line("    position = end")

    @staticmethod
    def _slice(wire: Wire) -> str:
        if wire.name == "string":
            return 'data[position:end].decode("utf-8", "replace")'
        return "memoryview(data)[position:end]" if wire.name == "records" else "bytes(data[position:end])"

    def _array(self, field: Field, target: str, may_be_null: bool) -> None:
        count = self._length("i", target, may_be_null, field.name)
        self.depth += 1
        item = field.item
        if isinstance(item, Wire) and item.code:
            self.line(f"n = {count}")
            self.line(f"end = position + n * {item.size}")
            self.line("if end > len(data):")
            self.line(
                f'    raise WireError("{self.cls.__name__} v{self.version}: {field.name} has more items than bytes")'
            )
            if item.code == "16s":
                self.line(f'{target} = [uuid for uuid, in iter_unpack("16s", data[position:end])]')
            else:
                self.line(f'{target} = list(unpack_from(f">{{n}}{item.code}", data, position))')
            self.line("position = end")
        elif isinstance(item, Wire):
            items = self.variable(field.name)
            self.line(f"{items} = {target} = []")
            self.line(f"for _ in range({count}):")
            self.depth += 1
            self._scalar(item, "item", False, field.name)
            self.line(f"{items}.append(item)")
            self.depth -= 1
        else:
            items, one = self.variable(field.name), self.variable(_snake(item.__name__))
            self.line(f"{items} = {target} = []")
            self.line(f"for _ in range({count}):")
            self.depth += 1
            self._struct(item, one)
            self._flush()
            self.line(f"{items}.append({one})")
            self.depth -= 1
        self.depth -= 1

    def _tags(self, cls: type[Struct], name: str) -> None:
        fields = self.tagged_fields(cls)
        alone = not self._run
        if alone:
            self.line("if data[position] == 0:")
            self.line("    position += 1")
            self.line("else:")
        else:
            self._read("tags", "B")
            self._flush()
            self.line("if tags:")
        begin = "position" if alone else "position - 1"
        if not fields:
            self.line(f"    position = skip_tags(data, {begin})")
            return
        self.depth += 1
        level = self.depth
        self.line(f"count{level}, position = read_varint(data, {begin})")
        self.line(f"for _ in range(count{level}):")
        self.depth += 1
        self.line("tag, position = read_varint(data, position)")
        self.line("size, position = read_varint(data, position)")
        self.line(f"after{level} = position + size")
        for number, field in enumerate(fields):
            self.line(f"{'elif' if number else 'if'} tag == {field.tag}:")
            self.depth += 1
            self._field(field, f"{name}.{field.name}")
            self._flush()
            self.depth -= 1
        self.line("else:")
        self.line(f"    position = after{level}")
        self.line(f"if position != after{level}:")
        self.line(f'    raise WireError("{self.cls.__name__} v{self.version}: a tag is not of its size")')
        self.depth -= 2


def skip_tags(data: bytes | bytearray, position: int) -> int:
    """Where the tagged fields end whose count stands at `position`: none of them is known here."""
    count, position = read_unsigned_varint(data, position)
    for _ in range(count):
        _, position = read_unsigned_varint(data, position)
        size, position = read_unsigned_varint(data, position)
        position += size
    return position


# -------------------------------------------------------------------------------------------------------- encode


class EncodeSource(Source):
    """Writes `encode(value) -> bytes`."""

    in_parts = False

    def __init__(self, cls: type[Struct], version: int) -> None:
        super().__init__(cls, version)
        self._run: list[tuple[str, str]] = []  # (expression, struct code): neighbours not yet written
        self._tag_functions: list[str] = []
        self.names |= {
            "varint": unsigned_varint,
            "join": b"".join,
            "pack": struct.pack,
            "null": refuse_null,
        }
        root = self.variable(_snake(cls.__name__))
        self.depth = 0
        self.line(f"def encode({root}):")
        self.depth = 1
        if self.in_parts:
            self.line("parts = []")
        self.line("out = []")
        self.line("push = out.append")
        self._struct(cls, root)
        self._flush()
        if self.in_parts:
            self.line("parts.append(join(out))")
            self.line("return parts")
        else:
            self.line("return join(out)")
        self.lines = [*self._tag_functions, *self.lines]

    def _write(self, expression: str, code: str) -> None:
        """Let the value be packed together with its neighbours; code "x" is a zero byte and has no value."""
        self._run.append((expression, code))

    def _packed(self, *more: tuple[str, str]) -> str:
        """The bytes of the run, as an expression."""
        run = [*self._run, *more]
        codes = "".join(code for _, code in run)
        values = [expression for expression, code in run if code != "x"]
        if not values:
            return repr(bytes(len(run)))
        return f"{self.layout(codes, 'pack')}({', '.join(values)})"

    def _flush(self) -> None:
        if self._run:
            self.line(f"push({self._packed()})")
            self._run = []

    def _length(self, code: str) -> None:
        """Write `n`, which is a length (plus one in a flexible version), together with the run before it."""
        if not self.flexible:
            self._write("n", code)
            self._flush()
        elif self._run:
            self.line("if n < 128:")
            self.line(f"    push({self._packed(('n', 'B'))})")
            self.line("else:")
            self.line(f"    push({self._packed()})")
            self.line("    push(varint(n))")
            self._run = []
        else:
            self.line("push(varint(n))")

    def _struct(self, cls: type[Struct], name: str) -> None:
        for field in self.fields(cls):
            self._field(field, f"{name}.{field.name}")
        if self.flexible:
            self._tags(cls, name)

    def _field(self, field: Field, source: str) -> None:
        may_be_null = self.version in field.nullable
        if field.is_array:
            self._array(field, source, may_be_null)
        elif isinstance(field.item, Wire):
            self._scalar(field.item, source, may_be_null, field.name)
        else:
            inner = self.variable(field.name)
            if not may_be_null:
                self.line(f"{inner} = {source}")
                self._struct(field.struct, inner)
                return
            self._flush()
            self.line(f"{inner} = {source}")
            self.line(f"if {inner} is None:")
            self.line('    push(b"\\xff")')
            self.line("else:")
            self.depth += 1
            self._write("1", "b")
            self._struct(field.struct, inner)
            self._flush()
            self.depth -= 1

    def _scalar(self, wire: Wire, source: str, may_be_null: bool, name: str) -> None:
        if wire.code:
            self._write(source, wire.code)
            return
        is_string = wire.name == "string"
        one = 1 if self.flexible else 0
        if is_string and not may_be_null:
            self.line(f"raw = {source}.encode()")
            self.line(f"n = len(raw){' + 1' if one else ''}")
        else:
            self.line(f"raw = {source}")
            self.line("if raw is None:")
            if may_be_null:
                self.line('    raw = b""')
                self.line(f"    n = {one - 1}")
            else:
                self.line(f'    null("{name}")')
            self.line("else:")
            if is_string:
                self.line("    raw = raw.encode()")
            self.line(f"    n = len(raw){' + 1' if one else ''}")
        self._length("h" if is_string else "i")
        if wire.name == "records" and self.in_parts:
            self.line(f"if n < {JOIN_BELOW}:")
            self.line("    push(raw)")
            self.line("else:")
            self.line("    parts.append(join(out))")
            self.line("    parts.append(raw)")
            self.line("    out.clear()")
        else:
            self.line("push(raw)")

    def _array(self, field: Field, source: str, may_be_null: bool) -> None:
        items, item = self.variable(field.name), field.item
        self.line(f"{items} = {source}")
        one = 1 if self.flexible else 0
        if may_be_null:
            self.line(f"n = {one - 1} if {items} is None else len({items}){' + 1' if one else ''}")
        else:
            self.line(f"n = len({items}){' + 1' if one else ''}")
        self._length("i")
        if may_be_null:
            self.line(f"if {items}:")
            self.depth += 1
        if isinstance(item, Wire) and item.code:
            if item.code == "16s":
                self.line(f"push(join({items}))")
            else:
                self.line(f'push(pack(f">{{len({items})}}{item.code}", *{items}))')
        else:
            one_name = self.variable(_snake(item.name if isinstance(item, Wire) else item.__name__))
            self.line(f"for {one_name} in {items}:")
            self.depth += 1
            if isinstance(item, Wire):
                self._scalar(item, one_name, False, field.name)
            else:
                self._struct(item, one_name)
            self._flush()
            self.depth -= 1
        if may_be_null:
            self.depth -= 1

    def _tags(self, cls: type[Struct], name: str) -> None:
        fields = self.tagged_fields(cls)
        if not fields:
            self._write("", "x")
            return
        self._flush()
        function = self._tag_function(cls, fields)
        differs = [self._differs(field, f"{name}.{field.name}") for field in fields]
        self.line(f"if {' or '.join(differs)}:")
        self.line(f"    {function}({name}, push)")
        self.line("else:")
        self.line('    push(b"\\x00")')

    def _differs(self, field: Field, source: str) -> str:
        if field.default is None:
            return f"{source} is not None"
        if field.default == []:
            return source
        if isinstance(field.default, bytes) and field.default:
            return f"{source} != {self.constant('ZERO_UUID', field.default)}"
        return f"{source} != {field.default!r}"

    def _tag_function(self, cls: type[Struct], fields: list[Field]) -> str:
        """Tagged fields are rare: they get a function of their own, beside the straight line."""
        function = self.variable(f"encode_tags_of_{_snake(cls.__name__)}")
        value = _snake(cls.__name__)
        here, self.lines, depth, self.depth = self.lines, [], self.depth, 0
        run, self._run = self._run, []
        self.line(f"def {function}({value}, push_outside):")
        self.depth = 1
        self.line("count = 0")
        self.line("section = []")
        for field in fields:
            self.line(f"if {self._differs(field, f'{value}.{field.name}')}:")
            self.depth = 2
            self.line("count += 1")
            self.line("out = []")
            self.line("push = out.append")
            self._field(field, f"{value}.{field.name}")
            self._flush()
            self.line("raw = join(out)")
            self.line(f"section += varint({field.tag}), varint(len(raw)), raw")
            self.depth = 1
        self.line("push_outside(varint(count))")
        self.line("push_outside(join(section))")
        self._tag_functions += [*self.lines, ""]
        self.lines, self.depth, self._run = here, depth, run
        return function


class EncodePartsSource(EncodeSource):
    """Writes `encode(value) -> parts`: as `encode`, but Records stand beside the rest instead of being copied."""

    in_parts = True


FUNCTION = {DecodeSource: "decode", EncodeSource: "encode", EncodePartsSource: "encode"}


def refuse_null(name: str) -> NoReturn:
    raise TypeError(f"{name} may not be None in this version")


def _snake(name: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).lstrip("_")


_encoders = _Compiled(EncodeSource)
_part_encoders = _Compiled(EncodePartsSource)
_decoders = _Compiled(DecodeSource)
