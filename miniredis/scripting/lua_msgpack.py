"""The cmsgpack library of scripts: MessagePack and Lua tables.

`msgpack` does the reading.  Writing is ours, because the choices are Lua's: one kind of number, which goes out as an
integer where it is one and as a 32-bit float where that loses nothing; strings that are bytes; tables that are arrays
when their keys are 1..n, and nothing nested deeper than sixteen.

Source: MessagePack specification; antirez/lua-cmsgpack 0.4.
"""

from __future__ import annotations

import struct
from typing import Any

import lupa.lua51 as lua
import msgpack

NESTING_MAX = 16


class LuaMsgpack:
    """One per Lua."""

    def __init__(self, runtime: Any) -> None:
        self.runtime = runtime

    def pack(self, *values: Any) -> bytes:
        """The values one behind the other.  Raises ValueError."""
        if not values:
            raise ValueError("bad argument #0 to 'pack' (MessagePack pack needs input.)")
        out = bytearray()
        for value in values:
            self._pack(value, out, 0)
        return bytes(out)

    def _pack(self, value: Any, out: bytearray, level: int) -> None:
        if isinstance(value, bytes):
            out += _header(len(value), 0xA0, 31, 0xD9)
            out += value
        elif isinstance(value, bool):
            out.append(0xC3 if value else 0xC2)
        elif isinstance(value, int):
            out += msgpack.packb(value) if -(2**63) <= value < 2**63 else _float(float(value))
        elif isinstance(value, float):
            out += _float(value)
        elif lua.lua_type(value) == "table" and level < NESTING_MAX:
            self._table(value, out, level + 1)
        else:
            out.append(0xC0)

    def _table(self, table: Any, out: bytearray, level: int) -> None:
        items = dict(table.items())
        if set(items) == set(range(1, len(items) + 1)) and items:
            out += _header(len(items), 0x90, 15, None)
            for index in range(1, len(items) + 1):
                self._pack(items[index], out, level)
            return
        out += _header(len(items), 0x80, 15, None)
        for key, value in items.items():
            self._pack(key, out, level)
            self._pack(value, out, level)

    def unpack(self, data: bytes) -> tuple[Any, ...]:
        """Every value in `data`.  Raises ValueError."""
        return self._unpack(data, 0, 0)[1:]

    def unpack_one(self, data: bytes, offset: Any = 0) -> tuple[Any, ...]:
        """The offset to go on with (-1 at the end), and one value."""
        return self._unpack(data, 1, int(offset))

    def unpack_limit(self, data: bytes, limit: Any = 0, offset: Any = 0) -> tuple[Any, ...]:
        """The same for up to `limit` values."""
        return self._unpack(data, int(limit), int(offset))

    def _unpack(self, data: bytes, limit: int, offset: int) -> tuple[Any, ...]:
        if offset < 0 or limit < 0:
            raise ValueError(f"Invalid request to unpack with offset of {offset} and limit of {limit}.")
        if offset > len(data):
            raise ValueError(f"Start offset {offset} greater than input length {len(data)}.")
        unpacker = msgpack.Unpacker(raw=True, strict_map_key=False, max_buffer_size=max(len(data), 1))
        unpacker.feed(data[offset:])
        values: list[Any] = []
        try:
            while offset + unpacker.tell() < len(data) and (not limit or len(values) < limit):
                values.append(self._to_lua(unpacker.unpack()))
        except msgpack.OutOfData:
            raise ValueError("Missing bytes in input.") from None
        except (ValueError, msgpack.UnpackException):
            raise ValueError("Bad data format in input.") from None
        position = offset + unpacker.tell()
        return (position if position < len(data) else -1, *values)

    def _to_lua(self, value: Any) -> Any:
        if isinstance(value, list):
            return self.runtime.table_from([self._to_lua(item) for item in value])
        if isinstance(value, dict):
            table = self.runtime.table()
            for key, item in value.items():
                table[key] = self._to_lua(item)
            return table
        if isinstance(value, (bytes, int, float, bool, type(None))):
            return value
        raise ValueError("Bad data format in input.")


def _float(value: float) -> bytes:
    if value.is_integer() and -(2**63) <= value < 2**63:
        return bytes(msgpack.packb(int(value)))
    try:
        short = struct.pack(">f", value)
    except OverflowError:
        short = b""
    if short and struct.unpack(">f", short)[0] == value:
        return b"\xca" + short
    return b"\xcb" + struct.pack(">d", value)


def _header(count: int, fixed: int, fixed_max: int, byte_form: int | None) -> bytes:
    """The first bytes of a string (byte_form 0xd9), an array (fixed 0x90) or a map (fixed 0x80)."""
    if count <= fixed_max:
        return bytes((fixed | count,))
    if byte_form is not None and count <= 0xFF:
        return bytes((byte_form, count))
    wide = {0xA0: 0xDA, 0x90: 0xDC, 0x80: 0xDE}[fixed]
    if count <= 0xFFFF:
        return struct.pack(">BH", wide, count)
    return struct.pack(">BI", wide + 1, count)
