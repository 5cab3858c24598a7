"""Writes the functions that read a message.

    show("Heartbeat", 0)  begins:      def decode(data, position):
                                           try:
                                               heartbeat_request = new(HeartbeatRequest)
                                               heartbeat_request.group_instance_id = None
                                               n, = unpack_h(data, position)
                                               ...

`_run` holds neighbours of fixed size that were not read yet; whatever needs them, or needs `position`, flushes it.
Running out of data shows as struct.error or IndexError, once for the whole function.

Next: encode_source.py.
"""

import struct

from minikafka.wire.source import Source, snake
from minikafka.wire.types import Field, Struct, Wire
from minikafka.wire.varint import read_unsigned_varint


class DecodeSource(Source):
    """Writes `decode(data, position) -> (value, end)`."""

    function_name = "decode"

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
        root = self.variable(snake(cls.__name__))
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

    def _length(self, of: str, target: str, may_be_null: bool, name: str) -> str:
        """Read a length or count into `n` and begin the block for what is not null; the length as an expression."""
        self._read("n", "B" if self.flexible else "h" if of == "string" else "i")
        self._flush()
        if self.flexible:
            self.line("if n > 127:")
            if of == "records":  # a small batch: without the call, a twentieth of a whole Produce
                self.line("    if data[position] < 128:")
                self.line("        n += data[position] - 1 << 7")
                self.line("        position += 1")
                self.line("    else:")
                self.line("        n, position = read_varint(data, position - 1)")
            else:
                self.line("    n, position = read_varint(data, position - 1)")
        if of == "array":
            self._doubt_a_count(name)
        self.line("if n == 0:" if self.flexible else "if n < 0:")
        if may_be_null:
            self.line(f"    {target} = None")
        else:
            self.line(f'    raise WireError("{self.cls.__name__} v{self.version}: {name} is null")')
        self.line("else:")
        return "n - 1" if self.flexible else "n"

    def _doubt_a_count(self, name: str) -> None:
        """Refuse a large count of which the data cannot hold a byte for each item; small ones run out by themselves."""
        if self.flexible:  # inside the branch for a length of several bytes
            self.line("    if n - 1 > len(data) - position:")
        else:
            self.line("if n > 127 and n > len(data) - position:")
        error = f'raise WireError("{self.cls.__name__} v{self.version}: {name} has more items than bytes")'
        self.line(f"    {'    ' if self.flexible else ''}{error}")

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
        length = self._length(wire.name, target, may_be_null, name)
        self.line(f"    end = position + {length}")
        self.line(f"    {target} = {self._slice(wire)}")
        self.line("    position = end")

    @staticmethod
    def _slice(wire: Wire) -> str:
        if wire.name == "string":
            return 'data[position:end].decode("utf-8", "replace")'
        return "memoryview(data)[position:end]" if wire.name == "records" else "bytes(data[position:end])"

    def _array(self, field: Field, target: str, may_be_null: bool) -> None:
        count = self._length("array", target, may_be_null, field.name)
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
            items, one = self.variable(field.name), self.variable(snake(item.__name__))
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
        count, after = self.variable("tag_count"), self.variable("after_tag")
        self.line(f"{count}, position = read_varint(data, {begin})")
        self.line(f"for _ in range({count}):")
        self.depth += 1
        self.line("tag, position = read_varint(data, position)")
        self.line("size, position = read_varint(data, position)")
        self.line(f"{after} = position + size")
        for number, field in enumerate(fields):
            self.line(f"{'elif' if number else 'if'} tag == {field.tag}:")
            self.depth += 1
            self._field(field, f"{name}.{field.name}")
            self._flush()
            self.depth -= 1
        self.line("else:")
        self.line(f"    position = {after}")
        self.line(f"if position != {after}:")
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
