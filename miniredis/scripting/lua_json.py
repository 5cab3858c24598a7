"""The cjson library of scripts: JSON and Lua tables.

Python's json does the parsing; what is Lua's is decided here: which table is an array (its keys are 1..n), that an
empty one is `{}`, that numbers print with 14 digits, and how an error is worded.

Source: Lua CJSON 2.1 manual; `lua_cjson.c` of Redis for the texts.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import lupa.lua51 as lua

DEPTH_MAX = 1000
SPARSE_RATIO, SPARSE_SAFE = 2, 10

ESCAPES = {
    **{chr(code): f"\\u{code:04x}" for code in (*range(32), 127)},
    '"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r",
}  # fmt: skip
ESCAPE_TABLE = str.maketrans(ESCAPES)


class LuaJson:
    """One per Lua: the settings that a script may change are kept for all, as in Redis."""

    def __init__(self, runtime: Any) -> None:
        self.runtime = runtime
        self.null: Any = None  # the Lua value that stands for null in tables
        self.sparse_convert, self.sparse_ratio, self.sparse_safe = False, SPARSE_RATIO, SPARSE_SAFE
        self.encode_depth = self.decode_depth = DEPTH_MAX
        self.precision = 14

    # -- tables to text -------------------------------------------------------------------------------------------

    def encode(self, value: Any = None, *more: Any) -> bytes:
        """JSON text.  Raises ValueError."""
        if more:
            raise ValueError("bad argument #1 to 'encode' (expected 1 argument)")
        parts: list[str] = []
        self._encode(value, parts, 1)
        return "".join(parts).encode("utf-8", "surrogateescape")

    def _encode(self, value: Any, parts: list[str], depth: int) -> None:
        if isinstance(value, bytes):
            parts.append(_quoted(value))
        elif value is None:
            parts.append("null")
        elif isinstance(value, bool):
            parts.append("true" if value else "false")
        elif isinstance(value, (int, float)):
            parts.append(self._number(value))
        elif (kind := lua.lua_type(value)) == "table":
            if depth > self.encode_depth:
                raise ValueError(f"Cannot serialise, excessive depth ({depth})")
            self._table(value, parts, depth)
        elif kind == "userdata":
            parts.append("null")
        else:
            raise ValueError(f"Cannot serialise {kind}: type not supported")

    def _number(self, value: float) -> str:
        if math.isinf(value) or math.isnan(value):
            raise ValueError("Cannot serialise number: must not be NaN or Inf")
        return f"{value:.{self.precision}g}"

    def _table(self, table: Any, parts: list[str], depth: int) -> None:
        length = self._array_length(table)
        if length > 0:
            parts.append("[")
            for index in range(1, length + 1):
                if index > 1:
                    parts.append(",")
                self._encode(table[index], parts, depth + 1)
            parts.append("]")
            return
        parts.append("{")
        for number, (key, value) in enumerate(table.items()):
            if number:
                parts.append(",")
            if isinstance(key, bytes):
                parts.append(_quoted(key))
            elif isinstance(key, (int, float)) and not isinstance(key, bool):
                parts.append(f'"{self._number(key)}"')
            else:
                raise ValueError("Cannot serialise table: table key must be a number or string")
            parts.append(":")
            self._encode(value, parts, depth + 1)
        parts.append("}")

    def _array_length(self, table: Any) -> int:
        """The highest index of an array, 0 for whatever is not one.  Raises ValueError where most of it is holes."""
        highest = count = 0
        for key in table:
            if isinstance(key, bool) or not isinstance(key, int) or key < 1:
                return 0
            highest, count = max(highest, key), count + 1
        if self.sparse_ratio and highest > count * self.sparse_ratio and highest > self.sparse_safe:
            if not self.sparse_convert:
                raise ValueError("Cannot serialise table: excessively sparse array")
            return 0
        return highest

    # -- text to tables -------------------------------------------------------------------------------------------

    def decode(self, text: Any = None, *more: Any) -> Any:
        """Tables, strings, numbers; null as `cjson.null`.  Raises ValueError."""
        if more or text is None:
            raise ValueError("bad argument #1 to 'decode' (expected 1 argument)")
        data = text if isinstance(text, bytes) else b"%d" % text
        try:
            decoded = data.decode("utf-8", "surrogateescape")
            value = json.loads(decoded, parse_int=float)
        except json.JSONDecodeError as error:
            raise ValueError(_worded(error)) from None
        except RecursionError:
            raise ValueError(f"Found too many nested data structures ({self.decode_depth + 1})") from None
        return self._to_lua(value, 1)

    def _to_lua(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return value.encode("utf-8", "surrogatepass" if "\ud800" <= max(value, default="") < "\udc80" else
                                "surrogateescape")  # fmt: skip
        if value is None:
            return self.null
        if isinstance(value, (list, dict)) and depth > self.decode_depth:
            raise ValueError(f"Found too many nested data structures ({depth})")
        if isinstance(value, list):
            return self.runtime.table_from([self._to_lua(item, depth + 1) for item in value])
        if isinstance(value, dict):
            table = self.runtime.table()
            for key, item in value.items():
                table[key.encode("utf-8", "surrogateescape")] = self._to_lua(item, depth + 1)
            return table
        return value

    # -- settings -------------------------------------------------------------------------------------------------

    def encode_sparse_array(self, convert: Any = None, ratio: Any = None, safe: Any = None) -> tuple[Any, ...]:
        self.sparse_convert = self.sparse_convert if convert is None else bool(convert)
        self.sparse_ratio = self.sparse_ratio if ratio is None else int(ratio)
        self.sparse_safe = self.sparse_safe if safe is None else int(safe)
        return self.sparse_convert, self.sparse_ratio, self.sparse_safe

    def encode_max_depth(self, depth: Any = None) -> int:
        self.encode_depth = self.encode_depth if depth is None else int(depth)
        return self.encode_depth

    def decode_max_depth(self, depth: Any = None) -> int:
        self.decode_depth = self.decode_depth if depth is None else int(depth)
        return self.decode_depth

    def encode_number_precision(self, digits: Any = None) -> int:
        if digits is not None:
            if not 1 <= digits <= 14:
                raise ValueError("bad argument #1 to 'encode_number_precision' (expected integer between 1 and 14)")
            self.precision = int(digits)
        return self.precision


def _quoted(text: bytes) -> str:
    return f'"{text.decode("utf-8", "surrogateescape").translate(ESCAPE_TABLE)}"'


TOKENS = {"": "T_END", "{": "T_OBJ_BEGIN", "}": "T_OBJ_END", "[": "T_ARR_BEGIN", "]": "T_ARR_END", '"': "T_STRING",
          ":": "T_COLON", ",": "T_COMMA"}  # fmt: skip
EXPECTED = [
    ("Expecting property name", "object key string"),
    ("Illegal trailing comma", "object key string"),
    ("Expecting ':'", "colon"),
    ("Extra data", "the end"),
    ("Expecting value", "value"),
]


def _worded(error: json.JSONDecodeError) -> str:
    """The same complaint as cjson words it."""
    at = error.pos
    while at < len(error.doc) and error.doc[at] in " \t\r\n":
        at += 1
    rest = error.doc[at:]
    token = TOKENS.get(rest[:1])
    if token is None:
        if re.match(r"-?\d", rest):
            token = "T_NUMBER"
        elif re.match("true|false", rest):
            token = "T_BOOLEAN"
        else:
            token = "T_NULL" if rest.startswith("null") else "invalid token"
    expected = next((name for text, name in EXPECTED if error.msg.startswith(text)), None)
    if expected is None:
        opened = "object" if error.doc.rfind("{", 0, at) > error.doc.rfind("[", 0, at) else "array"
        expected = f"comma or {opened} end" if "delimiter" in error.msg else "value"
        if "delimiter" not in error.msg:
            token = "invalid token"
    return f"Expected {expected} but found {token} at character {at + 1}"
