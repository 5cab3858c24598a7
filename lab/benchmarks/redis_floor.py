r"""The floor: as little server as Python can answer RESP with, correctly, so that ours has something to be measured by.

One dict, one uvloop protocol, a dozen commands, no expiry, no AOF, no limits.  What decides its speed is how requests
are read.  Token by token with `find` costs about 2.8 µs a request; here a whole read is split once at CRLF,

    *2 \r\n $3 \r\n GET \r\n $1 \r\n k \r\n *2 \r\n $3 \r\n GET \r\n $1 \r\n x \r\n
    [0]     [1]     [2]      [3]     [4]    [5]     [6]     [7]      [8]     [9]

and is believed only when every length token fits the bytes after it, compared in C: `map(len, ...)` against a table of
length tokens.  That is exact, not a guess: a token that says $3 and is followed by three bytes and a CRLF *is* a bulk
string of three bytes.  A value that holds a CRLF breaks into more tokens than it should, the comparison fails, and the
careful way reads that one request by its lengths.

Two ways in: when all requests of a read have one arity, the tokens are a table whose columns are slices; otherwise each
request is a slice of its own.

    python -m lab.benchmarks.redis_floor PORT
"""

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, cast

import uvloop

LENGTH_TOKENS = [b"$%d" % length for length in range(65536)]  # longer values go the careful way
TABLE_ROWS_MIN = 2
BULK_LENGTH_MAX = 512 * 1024 * 1024
ARGUMENTS_MAX = 1024 * 1024

OK, PONG, NULL, EMPTY = b"+OK\r\n", b"+PONG\r\n", b"$-1\r\n", b"*0\r\n"
WRONGTYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"

Row = Sequence[bytes]


class ProtocolError(Exception):
    """Bytes that are no request; the connection ends with this line."""


class Reader:
    """Cuts a byte stream into requests."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._missing = 0  # bytes without which the request that is under way cannot be whole

    def receive(self, data: bytes) -> Iterable[Row]:
        """The requests that `data` completes.  Raises ProtocolError."""
        if self._pieces:
            self._pieces.append(data)
            self._missing -= len(data)
            if self._missing > 0:
                return ()
            data = b"".join(self._pieces)
            self._pieces = []
        tokens = data.split(b"\r\n")
        return as_table(tokens) or self._one_by_one(tokens)

    def _one_by_one(self, tokens: list[bytes]) -> list[Row]:
        requests: list[Row] = []
        start, whole = 0, len(tokens) - 1  # the last token is what stands after the last CRLF
        while start < whole:
            head = tokens[start]
            if head[:1] != b"*" or not head[1:].isdigit():
                if head[:1] == b"*":
                    raise ProtocolError("invalid multibulk length")
                if words := head.split():
                    requests.append(words)
                start += 1
                continue
            end = start + 1 + 2 * int(head[1:])
            if end <= whole and fits(tokens[start + 1 : end : 2], arguments := tokens[start + 2 : end : 2]):
                if arguments:
                    requests.append(arguments)
                start = end
                continue
            rest = b"\r\n".join(tokens[start:])
            request, size = self._carefully(rest)
            if request is None:
                return requests
            requests.append(request)
            tokens = rest[size:].split(b"\r\n")
            start, whole = 0, len(tokens) - 1
        if tokens[-1] or start < whole:
            self._keep(b"\r\n".join(tokens[start:]), missing=1)
        return requests

    def _carefully(self, data: bytes) -> tuple[Row | None, int]:
        """One request read by its lengths, and its size; or None, and the bytes are kept until more arrive."""
        position = data.index(b"\r\n")
        count = int(data[1:position])
        if count > ARGUMENTS_MAX:
            raise ProtocolError("invalid multibulk length")
        arguments = []
        position += 2
        for _ in range(count):
            line_end = data.find(b"\r\n", position)
            if line_end < 0:
                return self._keep(data, missing=1)
            token = data[position:line_end]
            if token[:1] != b"$":
                raise ProtocolError(f"expected '$', got '{token[:1].decode('latin-1')}'")
            if not token[1:].isdigit() or int(token[1:]) > BULK_LENGTH_MAX:
                raise ProtocolError("invalid bulk length")
            start, end = line_end + 2, line_end + 2 + int(token[1:])
            if len(data) < end + 2:
                return self._keep(data, missing=end + 2 - len(data))
            arguments.append(data[start:end])
            position = end + 2
        return arguments, position

    def _keep(self, data: bytes, missing: int) -> tuple[None, int]:
        self._pieces, self._missing = [data], missing
        return None, 0


def as_table(tokens: list[bytes]) -> list[tuple[bytes, ...]] | None:
    """The requests as rows, when the read holds whole requests of one arity and nothing else; or None."""
    head = tokens[0]
    if head[:1] != b"*" or not head[1:].isdigit() or tokens[-1]:
        return None
    width = 1 + 2 * int(head[1:])
    rows, left_over = divmod(len(tokens) - 1, width)
    if left_over or rows < TABLE_ROWS_MIN or width == 1 or tokens[0:-1:width].count(head) != rows:
        return None
    columns = []
    for place in range(2, width, 2):
        column = tokens[place::width]
        if not fits(tokens[place - 1 : -1 : width], column):
            return None
        columns.append(column)
    return list(zip(*columns, strict=True))


def fits(length_tokens: list[bytes], values: list[bytes]) -> bool:
    """Whether every value is as long as the token before it says."""
    try:
        return list(map(LENGTH_TOKENS.__getitem__, map(len, values))) == length_tokens
    except IndexError:
        return False


class Store:
    """The dict and the commands on it.  A handler takes the whole request and gives the bytes of its reply."""

    def __init__(self) -> None:
        self.values: dict[bytes, Any] = {}
        names = "ping echo get set incr lpush rpush lpop rpop lrange sadd hset zadd mset config command flushall info"
        self.handlers: dict[bytes, Callable[[Row], bytes]] = {}
        for name in names.split():
            self.handlers[name.encode()] = self.handlers[name.upper().encode()] = getattr(self, name)

    def execute(self, request: Row) -> bytes:
        handler = self.handlers.get(request[0]) or self.handlers.get(request[0].upper())
        if handler is None:
            return b"-ERR unknown command\r\n"
        try:
            return handler(request)
        except (IndexError, ValueError):
            return b"-ERR wrong number of arguments, or not a number\r\n"
        except (TypeError, AttributeError):
            return WRONGTYPE

    def ping(self, request: Row) -> bytes:
        return bulk(request[1]) if len(request) > 1 else PONG

    def echo(self, request: Row) -> bytes:
        return bulk(request[1])

    def get(self, request: Row) -> bytes:
        value = self.values.get(request[1])
        return NULL if value is None else b"$%d\r\n%b\r\n" % (len(value), value)

    def set(self, request: Row) -> bytes:
        self.values[request[1]] = request[2]
        return OK

    def mset(self, request: Row) -> bytes:
        self.values.update(zip(request[1::2], request[2::2], strict=True))
        return OK

    def incr(self, request: Row) -> bytes:
        total = int(self.values.get(request[1], 0)) + 1
        self.values[request[1]] = b"%d" % total
        return b":%d\r\n" % total

    def lpush(self, request: Row) -> bytes:
        held = self._held(request[1], deque)
        held.extendleft(request[2:])
        return b":%d\r\n" % len(held)

    def rpush(self, request: Row) -> bytes:
        held = self._held(request[1], deque)
        held.extend(request[2:])
        return b":%d\r\n" % len(held)

    def lpop(self, request: Row) -> bytes:
        return self._pop(request[1], deque.popleft)

    def rpop(self, request: Row) -> bytes:
        return self._pop(request[1], deque.pop)

    def _pop(self, key: bytes, pop: Callable[[Any], bytes]) -> bytes:
        held = self.values.get(key)
        if held is None:
            return NULL
        value = pop(held)
        if not held:
            del self.values[key]
        return bulk(value)

    def lrange(self, request: Row) -> bytes:
        held = self.values.get(request[1], ())
        first, last = (int(index) + (len(held) if int(index) < 0 else 0) for index in request[2:4])
        chosen = list(islice(held, max(0, first), max(0, last + 1)))
        return b"*%d\r\n%b" % (
            len(chosen),
            b"".join([b"$%d\r\n%b\r\n" % (len(value), value) for value in chosen]),
        )

    def sadd(self, request: Row) -> bytes:
        held = self._held(request[1], set_of_members)
        before = len(held)
        held.update(request[2:])
        return b":%d\r\n" % (len(held) - before)

    def hset(self, request: Row) -> bytes:
        held = self._held(request[1], dict)
        before = len(held)
        held.update(zip(request[2::2], request[3::2], strict=True))
        return b":%d\r\n" % (len(held) - before)

    def zadd(self, request: Row) -> bytes:
        held = self._held(request[1], dict)
        before = len(held)
        held.update(zip(request[3::2], map(float, request[2::2]), strict=True))
        return b":%d\r\n" % (len(held) - before)

    def _held(self, key: bytes, kind: Callable[[], Any]) -> Any:
        held = self.values.get(key)
        if held is None:
            held = self.values[key] = kind()
        return held

    def config(self, request: Row) -> bytes:
        """CONFIG GET name: every option is empty, which is what redis-benchmark asks for `save` to learn."""
        return b"*2\r\n%b%b" % (bulk(request[2]), bulk(b""))

    def command(self, request: Row) -> bytes:
        return EMPTY

    def info(self, request: Row) -> bytes:
        return bulk(b"# Server\r\nredis_version:0.0.0\r\n")

    def flushall(self, request: Row) -> bytes:
        self.values.clear()
        return OK


set_of_members = set  # `set` inside the class is the command


def bulk(value: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(value), value)


class Connection(asyncio.Protocol):
    """One client: a read in, the replies to all of it out in one write."""

    def __init__(self, store: Store) -> None:
        self._receive = Reader().receive
        self._store = store

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            requests = self._receive(data)
        except ProtocolError as error:
            self._transport.write(b"-ERR Protocol error: %b\r\n" % str(error).encode())
            self._transport.close()
            return
        handlers, execute = self._store.handlers, self._store.execute
        replies = []
        for request in requests:
            try:
                replies.append(handlers[request[0]](request))
            except Exception:  # whatever it was, the patient way finds the words for it
                replies.append(execute(request))
        if replies:
            self._transport.write(b"".join(replies) if len(replies) > 1 else replies[0])


async def serve(port: int) -> None:
    """Listen on the loopback until the process is told to end."""
    store = Store()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(store), "127.0.0.1", port, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
