"""Scripts: Lua programs that run inside the server, between two requests of anybody else.

That is their whole point (what a script reads cannot change before it writes) and their danger (nobody is served until
it ends).  So a script has a session of its own, on which the usual questions are asked for each `redis.call`; its effects are
written down as one unit; and Lua's instruction count calls back here, where a script that takes too long is declared
busy: other clients are then answered with BUSY, and one of them may kill it, as long as it has written nothing.

Redis handles those other clients from within the same hook (`script.c`, scriptInterrupt), and so does this server: the
hook calls `engine.serve_while_busy`, which the shell provides.

What crosses from Lua to Python and back is plain: numbers, bytes, tables; see sandbox.py for why.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha1
from typing import TYPE_CHECKING, Any

import lupa.lua51 as lua

from miniredis import REDIS_VERSION
from miniredis.blocking import Wait
from miniredis.command import Flag, find
from miniredis.errors import RedisError
from miniredis.numbers import format_float
from miniredis.scripting import bits, structs
from miniredis.scripting.lua_json import LuaJson
from miniredis.scripting.lua_msgpack import LuaMsgpack
from miniredis.scripting.random48 import Random48
from miniredis.scripting.sandbox import SANDBOX
from miniredis.scripting.tail_calls import without_tail_calls
from miniredis.session import Session
from miniredis.wire.replies import (
    NULL_ARRAY,
    Attributed,
    BigNumber,
    MapReply,
    Pairs,
    SetReply,
    Status,
    Verbatim,
)

if TYPE_CHECKING:
    from miniredis.engine import Engine

logger = logging.getLogger("miniredis.lua")

DEPTH_MAX = 200  # of a table returned as a reply
KILLED = b"Script killed by user with SCRIPT KILL."
LOG_LEVELS = (logging.DEBUG, logging.DEBUG, logging.INFO, logging.WARNING)
SHEBANG_FLAGS = {b"no-writes", b"allow-oom", b"allow-stale", b"no-cluster", b"allow-cross-slot-keys"}
REPLICATE_AOF, REPLICATE_ALL = 1, 3


@dataclass(slots=True)
class Script:
    """A program, compiled once, named by the SHA-1 of its text."""

    sha: str
    text: bytes
    chunk: Any
    flags: frozenset[bytes] | None  # None: no `#!lua` line, the old rules


class Scripts:
    """The Lua of one server, made when first needed."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.scripts: dict[str, Script] = {}
        self.session = Session(engine, internal=True)
        self.session.in_script = True
        self.running: Script | None = None
        self.caller = self.session  # whose script is running
        self.read_only = False
        self.wrote = False
        self.kill_asked = False
        self.busy = False
        self.started_us = 0
        self.spent_instructions = 0
        self.protocol = 2
        self.replicate = REPLICATE_ALL
        self._open()

    def _open(self) -> None:
        """A fresh Lua: at the start, and after SCRIPT FLUSH."""
        self.lua = lua.LuaRuntime(
            encoding=None,
            unpack_returned_tuples=True,
            register_eval=False,
            register_builtins=False,
            attribute_filter=_deny,
        )
        self.dice = Random48()
        self.json = LuaJson(self.lua)
        self.msgpack = LuaMsgpack(self.lua)
        self._functions = self._library()
        load = self.lua.eval(b"function(text) return loadstring(text, '=sandbox') end")
        self._compile, self._run = load(SANDBOX)(
            self._call,
            self._tick,
            self._random,
            self._functions.__getitem__,
            self._take_null,
            without_tail_calls,
        )

    # -- programs -------------------------------------------------------------------------------------------------

    def load(self, text: bytes) -> Script:
        """Compile and keep a program.  Raises RedisError."""
        sha = sha1(text).hexdigest()
        if (script := self.scripts.get(sha)) is not None:
            return script
        body, flags = _shebang(text)
        chunk, failure = self._compile(body)
        if chunk is None:
            raise RedisError(b"ERR Error compiling script (new function): " + failure)
        script = self.scripts[sha] = Script(sha, text, chunk, flags)
        return script

    def flush(self) -> None:
        """Forget every program, and whatever they left in Lua."""
        self.scripts.clear()
        self._open()

    def run(self, caller: Session, script: Script, keys: list[bytes], arguments: list[bytes], read_only: bool) -> Any:
        """The reply of a script.  Raises RedisError."""
        engine, session = self.engine, self.session
        flags = script.flags
        self.read_only = read_only or (flags is not None and b"no-writes" in flags)
        if flags is not None and not self.read_only and engine.write_error is not None:
            raise RedisError(engine.write_error)
        self.caller = caller
        session.database = caller.database
        session.authenticated = True
        self.running, self.wrote, self.kill_asked, self.busy = script, False, False, False
        self.protocol, self.replicate = 2, REPLICATE_ALL
        self.started_us = engine.clock.monotonic_us()
        self.spent_instructions = 0
        self.dice.seed(0)
        try:
            ok, result = self._run(script.chunk, self.lua.table_from(keys), self.lua.table_from(arguments))
            if not ok:
                raise self._failure(script, result)
            return self._reply(result)
        finally:
            self.running = None
            if self.busy:
                self.busy = False
                engine.guards.discard("busy")

    def _failure(self, script: Script, failure: Any) -> RedisError:
        message: bytes = failure[b"err"]
        message = message.removeprefix(b"-").split(b"\r\n")[0]
        line = failure[b"line"]
        if line is None:
            return RedisError(message + b" script: %b" % script.sha.encode())
        source = failure[b"source"].removeprefix(b"@")
        return RedisError(message + b" script: %b, on @%b:%d." % (script.sha.encode(), source, line))

    # -- calls out of Lua -----------------------------------------------------------------------------------------

    def _call(self, count: int, *words: Any) -> tuple[bool, Any]:
        """redis.call and redis.pcall: (True, the reply as Lua sees it) or (False, the error's text)."""
        try:
            request = _request(words) if len(words) == count else _request((*words, None))
            reply = self._execute(request)
        except RedisError as error:
            return False, error.text.encode("latin-1", "replace")
        if isinstance(reply, RedisError):
            return False, reply.text.encode("latin-1", "replace")
        return True, self._to_lua(reply)

    def _execute(self, request: list[bytes]) -> Any:
        engine, session = self.engine, self.session
        command = find(request)
        if command is None or command.handler is None:
            raise RedisError("ERR Unknown Redis command called from script")
        if not command.accepts(len(request)):
            raise RedisError("ERR Wrong number of args calling Redis command from script")
        if command.flags & Flag.NOSCRIPT:
            raise RedisError("ERR This Redis command is not allowed from script")
        writes = command.writes
        if writes and self.read_only:
            raise RedisError("ERR Write commands are not allowed from read-only scripts.")
        if writes and engine.write_error is not None and not self.wrote:
            raise RedisError(engine.write_error)
        flags = self.running.flags if self.running is not None else None
        if "maxmemory" in engine.guards and not self.wrote and not (flags and b"allow-oom" in flags):
            engine.eviction.make_room(session, command)
        if writes:
            self.wrote = True
        session.protocol = self.protocol
        noted = len(engine.pending)
        reply = session.carry_out(command, request)
        if not self.replicate & REPLICATE_AOF:
            del engine.pending[noted:]
        return reply.timeout_reply if isinstance(reply, Wait) else reply

    def _tick(self, instructions: int) -> bytes | None:
        """Called by Lua every so many instructions; returns the error that ends the script, if it is to end."""
        engine = self.engine
        self.spent_instructions += instructions
        elapsed_us = engine.clock.monotonic_us() - self.started_us
        if not self.busy:
            threshold_ms = engine.settings.busy_reply_threshold
            budget = engine.script_instructions_max
            if elapsed_us < threshold_ms * 1000 and not (budget and self.spent_instructions > budget):
                return None
            self.busy = True
            engine.guards.add("busy")
            logger.warning("Slow script detected: still in execution after %d milliseconds.", elapsed_us // 1000)
        if engine.script_instructions_max and self.spent_instructions > engine.script_instructions_max:
            return KILLED
        engine.serve_while_busy()
        return KILLED if self.kill_asked else None

    def _random(self, seed: Any = None) -> float | None:
        if seed is None:
            return self.dice.fraction()
        self.dice.seed(int(seed))
        return None

    def _take_null(self, null: Any) -> None:
        self.json.null = null

    def kill(self) -> None:
        """SCRIPT KILL.  Raises RedisError."""
        if self.running is None:
            raise RedisError("NOTBUSY No scripts in execution right now.")
        if self.wrote:
            raise RedisError(
                "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait "
                "the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command."
            )
        self.kill_asked = True

    # -- libraries ------------------------------------------------------------------------------------------------

    def _library(self) -> dict[bytes, Callable[..., Any]]:
        """Everything Lua can ask Python for, by name; each answers (ok, ...)."""
        functions: dict[str, Callable[..., Any]] = {
            **{f"bit.{name}": function for name, function in bits.FUNCTIONS.items()},
            "struct.pack": structs.pack,
            "struct.unpack": structs.unpack,
            "struct.size": structs.size,
        }
        for name in ("encode", "decode", "encode_sparse_array", "encode_max_depth", "decode_max_depth",
                     "encode_number_precision"):  # fmt: skip
            functions[f"cjson.{name}"] = getattr(self.json, name)
        for name in ("encode_keep_buffer", "encode_invalid_numbers", "decode_invalid_numbers", "new"):
            functions[f"cjson.{name}"] = lambda *values: values[0] if values else None
        for name in ("pack", "unpack", "unpack_one", "unpack_limit"):
            functions[f"cmsgpack.{name}"] = getattr(self.msgpack, name)
        library = {name.encode(): _guarded(function) for name, function in functions.items()}
        library[b"version"] = lambda: (REDIS_VERSION.encode(), _version_number())
        for name, function in (
            ("log", self._log),
            ("sha1hex", self._sha1hex),
            ("setresp", self._setresp),
            ("set_repl", self._set_repl),
            ("acl_check_cmd", self._acl_check_cmd),
        ):
            library[f"redis.{name}".encode()] = function
        return library

    def _log(self, count: int, *values: Any) -> tuple[bool, Any]:
        if count < 2:
            return False, b"ERR redis.log() requires two arguments or more."
        if not isinstance(values[0], (int, float)):
            return False, b"ERR First argument must be a number (log level)."
        if not 0 <= values[0] <= 3:
            return False, b"ERR Invalid log level."
        words = [value if isinstance(value, bytes) else b"%d" % value for value in values[1:] if value is not None]
        logger.log(LOG_LEVELS[int(values[0])], "%s", b" ".join(words).decode("utf-8", "replace"))
        return True, None

    def _sha1hex(self, count: int, *values: Any) -> tuple[bool, Any]:
        if count != 1:
            return False, b"ERR wrong number of arguments"
        text = values[0] if isinstance(values[0], bytes) else _request(values)[0]
        return True, sha1(text).hexdigest().encode()

    def _setresp(self, count: int, *values: Any) -> tuple[bool, Any]:
        if count != 1:
            return False, b"ERR redis.setresp() requires one argument."
        if values[0] not in (2, 3):
            return False, b"ERR RESP version must be 2 or 3."
        self.protocol = int(values[0])
        return True, None

    def _set_repl(self, count: int, *values: Any) -> tuple[bool, Any]:
        if count != 1:
            return False, b"ERR redis.set_repl() requires two arguments."
        if not isinstance(values[0], int) or values[0] & ~REPLICATE_ALL:
            return False, b"ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE."
        self.replicate = values[0]
        return True, None

    def _acl_check_cmd(self, count: int, *values: Any) -> tuple[bool, Any]:
        if not count:
            return False, b"ERR Please specify at least one argument for this redis.acl_check_cmd() call"
        try:
            request = _request(values)
        except RedisError:
            return False, b"ERR redis.acl_check_cmd() require string arguments"
        if find(request) is None:
            return False, b"ERR Invalid command passed to redis.acl_check_cmd()"
        return True, True

    # -- values across the border ---------------------------------------------------------------------------------

    def _to_lua(self, value: Any) -> Any:
        """A reply as Lua sees it, under the protocol the script chose."""
        kind = type(value)
        if kind is bytes or kind is int:
            return value
        if value is None or value is NULL_ARRAY:
            return False if self.protocol == 2 else None
        if kind is bool:
            return value if self.protocol == 3 else int(value)
        if kind is bytearray:
            return bytes(value)
        if kind is Status:
            return self.lua.table_from({b"ok": value.encode()})
        if isinstance(value, RedisError):
            return self.lua.table_from({b"err": value.text.encode("latin-1", "replace")})
        if self.protocol == 3:
            return self._to_lua3(value)
        if kind is float:
            return format_float(value)
        if kind is dict:
            return self._table([item for pair in value.items() for item in pair])
        if kind is Pairs:
            return self._table([item for pair in value for item in pair])
        if kind is BigNumber:
            return bytes(value)
        if kind is Attributed:
            return self._to_lua(value.value)
        if isinstance(value, str):
            return value.encode()
        return self._table(value)

    def _to_lua3(self, value: Any) -> Any:
        kind = type(value)
        if kind is float:
            return self.lua.table_from({b"double": value})
        if kind is dict:
            pairs = {self._to_lua(key): self._to_lua(item) for key, item in value.items()}
            return self.lua.table_from({b"map": self.lua.table_from(pairs)})
        if kind is SetReply:
            members = dict.fromkeys(map(self._to_lua, value), True)
            return self.lua.table_from({b"set": self.lua.table_from(members)})
        if kind is BigNumber:
            return self.lua.table_from({b"big_number": bytes(value)})
        if kind is Verbatim:
            parts = {b"string": value.encode(), b"format": value.kind.encode()}
            return self.lua.table_from({b"verbatim_string": self.lua.table_from(parts)})
        if kind is Attributed:
            return self._to_lua(value.value)
        if isinstance(value, str):
            return value.encode()
        return self._table(value)

    def _table(self, values: Any) -> Any:
        table = self.lua.table()
        for index, value in enumerate(values, 1):
            table[index] = self._to_lua(value)
        return table

    def _reply(self, value: Any, depth: int = 0) -> Any:
        """What a script returned, as a reply."""
        if isinstance(value, bytes):
            return value
        if value is None or value is False:
            return False if value is False and self.protocol == 3 else None
        if value is True:
            return True if self.protocol == 3 else 1
        if isinstance(value, (int, float)):
            return _truncated(value)
        if isinstance(value, tuple):  # a script may return several values: the first counts
            return self._reply(value[0], depth) if value else None
        if lua.lua_type(value) != "table":
            return None
        if depth > DEPTH_MAX:
            raise RedisError("ERR reached lua stack limit")
        return self._table_reply(value, depth + 1)

    def _table_reply(self, table: Any, depth: int) -> Any:
        if isinstance(text := table[b"err"], bytes):
            return RedisError(text.replace(b"\r\n", b" ").removeprefix(b"-"))
        if isinstance(text := table[b"ok"], bytes):
            return Status(text.decode("utf-8", "surrogateescape").replace("\r", " ").replace("\n", " "))
        if isinstance(number := table[b"double"], (int, float)):
            return float(number)
        if _is_table(pairs := table[b"map"]):
            return MapReply((self._reply(key, depth), self._reply(value, depth)) for key, value in pairs.items())
        if _is_table(members := table[b"set"]):
            return SetReply(self._reply(member, depth) for member in members)
        if isinstance(number := table[b"big_number"], bytes):
            return BigNumber(number.replace(b"\r", b" ").replace(b"\n", b" "))
        if _is_table(parts := table[b"verbatim_string"]):
            text = Verbatim(parts[b"string"].decode("utf-8", "surrogateescape"))
            text.kind = parts[b"format"].decode()[:3]
            return text
        values = []
        index = 1
        while (value := table[index]) is not None:
            values.append(self._reply(value, depth))
            index += 1
        return values


def _deny(obj: object, name: object, setting: bool) -> object:
    """No attribute of any Python object is a script's business."""
    raise AttributeError("not for scripts")


def _guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` as Lua may call it: (True, its results...) or (False, why not)."""

    def call(*values: Any) -> tuple[Any, ...]:
        try:
            result = function(*values)
        except (ValueError, TypeError, OverflowError, ArithmeticError) as error:
            return False, str(error).encode("utf-8", "surrogateescape")
        return (True, *result) if isinstance(result, tuple) else (True, result)

    return call


def _request(words: Any) -> list[bytes]:
    """The arguments of redis.call as a request.  Raises RedisError."""
    if not words or (len(words) == 1 and words[0] is None):
        raise RedisError("ERR Please specify at least one argument for this redis lib call")
    request = []
    for word in words:
        if type(word) is bytes:
            request.append(word)
        elif type(word) is int:
            request.append(b"%d" % word)
        elif type(word) is float:
            request.append(f"{word:.17g}".encode())
        else:
            raise RedisError("ERR Lua redis lib command arguments must be strings or integers")
    return request


def _shebang(text: bytes) -> tuple[bytes, frozenset[bytes] | None]:
    """The program without its `#!lua flags=...` line, which stays as an empty one to keep the numbers; and the
    flags.  Raises RedisError."""
    if not text.startswith(b"#!"):
        return text, None
    line, newline, body = text.partition(b"\n")
    if not newline:
        raise RedisError("ERR Invalid script shebang")
    engine, *options = line.split()
    if engine != b"#!lua":
        raise RedisError(b"ERR Unexpected engine in script shebang: " + engine)
    flags: set[bytes] = set()
    for option in options:
        if not option.startswith(b"flags="):
            raise RedisError(b"ERR Unknown lua shebang option: " + option)
        for flag in filter(None, option.removeprefix(b"flags=").split(b",")):
            if flag not in SHEBANG_FLAGS:
                raise RedisError(b"ERR Unexpected flag in script shebang: " + flag)
            flags.add(flag)
    return b"\n" + body, frozenset(flags)


def _truncated(number: float) -> int:
    """As C casts a double to a 64-bit integer."""
    if number != number or abs(number) >= 2**63:
        return -(2**63)
    return int(number)


def _is_table(value: Any) -> bool:
    return value is not None and not isinstance(value, (bytes, bool, int, float)) and lua.lua_type(value) == "table"


def _version_number() -> int:
    major, minor, patch = map(int, REDIS_VERSION.split("."))
    return major << 16 | minor << 8 | patch
