"""What the writers of functions share: lines with their indentation, and names for what the lines mention.

A `Source` is the text of one function.  Its local variables are named after the structs they hold; the classes, `struct`
functions and helpers that the text mentions stand in `names`, which become the globals of the compiled function.

Next: decode_source.py.
"""

import keyword
import struct
from typing import Any, ClassVar

from minikafka.wire.types import Field, Struct, WireError


class Source:
    """The text of one function under construction, and the objects which it names."""

    function_name: ClassVar[str]

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
        return self.names[self.function_name]


RESERVED = set(keyword.kwlist) | {
    *("data", "position", "end", "n", "tags", "tag", "size", "item", "uuid"),
    *("out", "push", "parts", "raw", "section", "count", "join", "pack", "varint", "new"),
    *("bytes", "len", "list", "memoryview", "range"),
}
"""Names that the written functions use for themselves."""


def snake(name: str) -> str:
    """SnakeCase as snake_case."""
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).lstrip("_")
