"""Writes the functions that write a message.

A function collects pieces in `out` and joins them at the end; `_run` holds neighbours of fixed size that no piece was made
of yet.  A compact length joins the run while it fits a byte, which is why such places have two branches.

Next: frame.py puts a header before the body.
"""

import struct

from minikafka.wire.source import Source, snake
from minikafka.wire.types import NEVER, Field, Struct, Wire
from minikafka.wire.varint import unsigned_varint

JOIN_BELOW = 2048
"""Records smaller than this are copied by `encode_parts`: cheaper than one more buffer for the kernel to gather."""


class EncodeSource(Source):
    """Writes `encode(value) -> bytes`."""

    function_name = "encode"

    in_parts = False

    def __init__(self, cls: type[Struct], version: int) -> None:
        super().__init__(cls, version)
        self._run: list[tuple[str, str]] = []  # (expression, struct code): neighbours not yet written
        self._tag_functions: list[str] = []
        self.names |= {
            "varint": unsigned_varint,
            "join": b"".join,
            "pack": struct.pack,
        }
        root = self.variable(snake(cls.__name__))
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
        if field.nullable != NEVER and not may_be_null:
            source = f"({source} or {[] if field.is_array else ''!r})"  # null in other versions, empty in this one
        if field.is_array:
            self._array(field, source, may_be_null)
        elif isinstance(field.item, Wire):
            self._scalar(field.item, source, may_be_null)
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

    def _scalar(self, wire: Wire, source: str, may_be_null: bool) -> None:
        if wire.code:
            self._write(source, wire.code)
            return
        is_string = wire.name == "string"
        plus_one = " + 1" if self.flexible else ""
        if may_be_null:
            self.line(f"raw = {source}")
            self.line("if raw is None:")
            self.line('    raw = b""')
            self.line(f"    n = {0 if self.flexible else -1}")
            self.line("else:")
            if is_string:
                self.line("    raw = raw.encode()")
            self.line(f"    n = len(raw){plus_one}")
        else:
            self.line(f"raw = {source}{'.encode()' if is_string else ''}")
            self.line(f"n = len(raw){plus_one}")
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
        length = f"len({items}){' + 1' if self.flexible else ''}"
        self.line(
            f"n = {0 if self.flexible else -1} if {items} is None else {length}" if may_be_null else f"n = {length}"
        )
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
            one_name = self.variable(snake(item.name if isinstance(item, Wire) else item.__name__))
            self.line(f"for {one_name} in {items}:")
            self.depth += 1
            if isinstance(item, Wire):
                self._scalar(item, one_name, False)
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
        function = self.variable(f"encode_tags_of_{snake(cls.__name__)}")
        value = snake(cls.__name__)
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
