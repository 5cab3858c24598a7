"""The errors a client can see: one class per answer that is given from more than one place.

An error reply is a line whose first word is its code: clients switch on `WRONGTYPE`, people read the rest.  A text
that a single command gives stands in that command.  Bugs of ours are assertions, never replies.
"""


class RedisError(Exception):
    """Answered as `-text`.  The first word of `text` is the code, counted in INFO errorstats."""

    text = "ERR"

    def __init__(self, text: str | bytes | None = None) -> None:
        if text is not None:
            self.text = text if isinstance(text, str) else text.decode("latin-1")
        super().__init__(self.text)

    @property
    def code(self) -> str:
        return self.text.split(" ", 1)[0]


class WrongType(RedisError):
    text = "WRONGTYPE Operation against a key holding the wrong kind of value"


class SyntaxFault(RedisError):
    text = "ERR syntax error"


class NotAnInteger(RedisError):
    text = "ERR value is not an integer or out of range"


class NotAFloat(RedisError):
    text = "ERR value is not a valid float"


class NoSuchKey(RedisError):
    text = "ERR no such key"


class IndexOutOfRange(RedisError):
    text = "ERR index out of range"


class OutOfMemory(RedisError):
    text = "OOM command not allowed when used memory > 'maxmemory'."


class StringTooLong(RedisError):
    text = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"


def wrong_subcommand(name: bytes, container: str) -> RedisError:
    """A container's own complaint; `name` as the client spelled it."""
    shown = name[:128].decode("latin-1")
    return RedisError(f"ERR unknown subcommand or wrong number of arguments for '{shown}'. Try {container} HELP.")


class ProtocolError(Exception):
    """The bytes are not RESP: answered as `-ERR Protocol error: text`, then the connection is closed."""

    def reply(self) -> bytes:
        return b"-ERR Protocol error: %b\r\n" % self.args[0].encode("latin-1")


class TooMuchForAStranger(ProtocolError):
    """More than a client may send before its password; a request in front of it may still be AUTH."""


def wrong_arity(name: str) -> RedisError:
    """`name` as in the table: lower case, subcommands as `config|get`."""
    return RedisError(f"ERR wrong number of arguments for '{name}' command")
