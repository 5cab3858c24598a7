"""One connection to Redis that pipelines by itself: whatever is asked in one turn of the loop leaves in one write.

    call ─┐                                                      ┌─> its future
    call ─┼─> unsent ──flush, once a turn──> in flight ──reply───┼─> its future         Redis answers in order, so the
    call ─┘                                                      └─> its future         oldest future gets the next reply

Only who finds nothing in flight leaves at once: a lone caller gains nothing by the turn's end.
A hundred callers that each wait for their own reply share one system call and one packet; none of them knows of the
others.  A pool of a hundred connections would cost a hundred of each.  Who wants to put what they asked into fewer
commands is called `before_next_write`.

What becomes of a command when things go wrong is the caller's to know, since a hit must not be counted twice:

    never sent      the connection is down: it waits for the next one, and leaves within its deadline or not at all
    sent, no reply  the connection was lost, or the deadline passed: StoreUnavailable with `sent` true.  It may have been
                    carried out; it is never sent again
    refused         an error reply, as ReplyError: redis_store.py knows what each means

One timer watches the oldest command, not one per command: deadlines pass in the order in which commands were asked.  A
server that answers nothing at all for `SILENCE_TIMES` the timeout is dialled anew, since a connection to a machine
without power looks healthy for many minutes.

Source: Redis serialization protocol specification; redis.io/docs, "Redis pipelining".  redis-py keeps a pool and
pipelines on request only.  Next: redis_store.py, the decisions that travel here.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Protocol, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import hiredis

BACKOFF_S = 0.02, 1.0  # the wait before dialling again: first, and at most
SILENCE_TIMES, SILENCE_S_MIN = 4, 1.0
TICK_S = 0.001
NOT_YET = object()
pack: Callable[[Sequence[str | bytes | int]], bytes] = hiredis.pack_command  # type: ignore[assignment]  # wants a tuple
ReplyError = hiredis.ReplyError


class StoreUnavailable(ConnectionError):
    """The store could not decide.  `sent`: the hit had left, and may have been counted."""

    def __init__(self, text: str, *, sent: bool = False) -> None:
        super().__init__(text)
        self.sent = sent


class Waiter(Protocol):
    """Who gets a reply: a future, or what behaves like one."""

    def done(self) -> bool: ...
    def set_result(self, reply: Any, /) -> None: ...
    def set_exception(self, error: Exception, /) -> None: ...


class AddressError(ValueError):
    """Not a URL of a Redis."""


@dataclass(frozen=True)
class RedisAddress:
    """Where a Redis is, and as whom to speak to it.

    redis://[[user]:password@]host[:port][/database]       over TCP
    rediss://...[?ca=FILE][&cert=FILE&key=FILE]            over TLS; the server's name is verified
    unix://[[user]:password@]/path[?db=database]           over a Unix socket
    """

    host: str = "127.0.0.1"
    port: int = 6379
    path: str | None = None  # of a Unix socket
    tls: bool = False
    user: str | None = None
    password: str | None = None
    database: int = 0
    ca: str | None = None  # PEM files
    certificate: str | None = None
    key: str | None = None

    @classmethod
    def parse(cls, url: str) -> RedisAddress:
        """Raises AddressError."""
        try:
            parts = urlsplit(url)
            port = parts.port or 6379
            options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
            unix = parts.scheme == "unix"
            database = options.pop("db", "0") if unix else parts.path.strip("/") or "0"
            files = {
                name: options.pop(word, None) for word, name in (("ca", "ca"), ("cert", "certificate"), ("key", "key"))
            }
            if parts.scheme not in ("redis", "rediss", "unix"):
                raise ValueError("the scheme is redis, rediss or unix")
            if options:
                raise ValueError(f"unknown: {', '.join(options)}")
            if not database.isdecimal():
                raise ValueError(f"no database is called {database!r}")
            if unix and not parts.path:
                raise ValueError("which path?")
        except ValueError as error:
            raise AddressError(f"{without_password(url)}: {error}") from None
        return cls(
            host=parts.hostname or "127.0.0.1",
            port=port,
            path=parts.path if unix else None,
            tls=parts.scheme == "rediss",
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password is not None else None,
            database=int(database),
            **files,
        )

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"

    def greeting(self) -> list[tuple[str, ...]]:
        """What is said first on every connection; nothing else leaves before it was answered.

        The PING tells a server from a port that merely accepts, and hears NOAUTH and LOADING before a hit does.
        """
        said: list[tuple[str, ...]] = []
        if self.password is not None:
            said.append(("AUTH", self.user, self.password) if self.user else ("AUTH", self.password))
        if self.database:
            said.append(("SELECT", str(self.database)))
        return [*said, ("PING",)]

    def context(self) -> ssl.SSLContext | None:
        """Of TLS; certificates are read anew at each call, so a renewed one is used from the next connection on."""
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=self.ca)
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key)
        return context


def without_password(url: str) -> str:
    """For messages: the URL up to its secret, and from its host on."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if rest else url


class RedisLink:
    """A connection that comes back.  The first call dials it.

    timeout_ms   from the call to its reply; a call that waits for a connection included
    waiting_max  calls without a reply, past which new ones fail at once: a bound to memory, and a sign of a dead server
    random       spreads the redialling of many clients of one server
    """

    def __init__(
        self,
        address: RedisAddress | str,
        *,
        timeout_ms: int = 100,
        waiting_max: int = 10_000,
        random: Random | None = None,
    ) -> None:
        self.address = RedisAddress.parse(address) if isinstance(address, str) else address
        self.timeout_ms, self.waiting_max = timeout_ms, waiting_max
        self.dials = 0  # connections that stood, greeting included
        self.last_error = "not dialled yet"
        self._timeout_s = timeout_ms / 1000
        self._silence_s = max(SILENCE_S_MIN, SILENCE_TIMES * self._timeout_s)
        self._random = random or Random()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: Connection | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        # Oldest first; the last len(_unsent) of them have not left yet.
        self._waiting: deque[tuple[Waiter, float]] = deque()
        self._unsent: list[bytes] = []
        self._before_write: list[Callable[[], None]] = []
        self._write_is_due = False
        self._heard_at, self._backoff_s = 0.0, BACKOFF_S[0]

    @property
    def connected(self) -> bool:
        return self._connection is not None

    @property
    def idle(self) -> bool:
        """Connected, and nothing is on its way: what is asked now leaves at once."""
        return not self._waiting and self._connection is not None

    def call(self, *words: str | bytes | int) -> asyncio.Future[Any]:
        """The reply, or a ReplyError as its exception.  Never raises by itself."""
        return self.send(pack(words))

    def send(self, packed: bytes) -> asyncio.Future[Any]:
        """The same for a command that is packed already."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.send_for(future, packed)
        return future

    def send_for(self, waiter: Waiter, packed: bytes) -> None:
        """The same for somebody who gets the reply."""
        loop = self._the_loop()
        if self._closed or len(self._waiting) >= self.waiting_max:
            reason = "the link is closed" if self._closed else f"{self.waiting_max} calls wait already"
            waiter.set_exception(StoreUnavailable(f"Redis at {self.address}: {reason}"))
            return
        deadline = loop.time() + self._timeout_s
        idle = not self._waiting
        self._waiting.append((waiter, deadline))
        if self._timer is None:
            self._heard_at = deadline - self._timeout_s
            self._timer = loop.call_at(deadline, self._look_at_the_oldest)
        if self._connection is not None and idle:
            self._connection.transport.write(packed)
            return
        self._unsent.append(packed)
        if self._connection is None:
            if self._dialling is None:
                self._dialling = loop.create_task(self._dial())
        elif not self._write_is_due:
            self._write_is_due = True
            loop.call_soon(self._write)

    def before_next_write(self, callback: Callable[[], None]) -> None:
        """Call it at the end of this turn of the loop, before what was asked meanwhile leaves."""
        self._before_write.append(callback)
        if not self._write_is_due:
            self._write_is_due = True
            self._the_loop().call_soon(self._write)

    def _the_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop

    async def connect(self) -> None:
        """Dial now rather than at the first call.  Raises StoreUnavailable when that takes longer than the timeout."""
        await self.call("PING")

    async def close(self) -> None:
        """Hang up; whatever waits fails."""
        self._closed = True
        if self._dialling is not None:
            self._dialling.cancel()
            await asyncio.gather(self._dialling, return_exceptions=True)
        if self._connection is not None:
            self._connection.transport.abort()
        self.lost(self._connection, "the link was closed")
        self._fail(len(self._waiting), "the link was closed", sent=False)
        self._unsent.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def redial(self, reason: str) -> None:
        """Hang up and dial again: the name may lead to another server by now."""
        if self._connection is not None:
            self._connection.transport.abort()
            self.lost(self._connection, reason)

    # Sending

    def _write(self) -> None:
        if self._before_write:
            called, self._before_write = self._before_write, []
            for callback in called:
                callback()
        self._write_is_due = False
        self.flush()

    def flush(self) -> None:
        """Let what has been asked leave now, and not at the end of the turn."""
        if self._connection is not None and self._unsent:
            unsent, self._unsent = self._unsent, []
            self._connection.transport.write(unsent[0] if len(unsent) == 1 else b"".join(unsent))

    def _flush_those_that_still_wait(self) -> None:
        """After a while without connection: what its caller gave up on does not leave any more."""
        count = len(self._unsent)
        tail = [self._waiting.pop() for _ in range(count)][::-1]
        kept = [(slot, packed) for slot, packed in zip(tail, self._unsent, strict=True) if not slot[0].done()]
        self._waiting += [slot for slot, _ in kept]
        self._unsent = [packed for _, packed in kept]
        self.flush()

    # Replies

    def answered(self, replies: list[Any]) -> bool:
        """Whole replies came in.  False: there are more of them than questions."""
        assert self._loop is not None
        self._heard_at, self._backoff_s = self._loop.time(), BACKOFF_S[0]
        waiting = self._waiting
        if len(replies) > len(waiting) - len(self._unsent):
            return False
        answered = [waiting.popleft()[0] for _ in replies]  # first: whoever hears a reply may send again, or redial
        for waiter, reply in zip(answered, replies, strict=True):
            if waiter.done():  # its caller has given up
                continue
            if isinstance(reply, ReplyError):
                waiter.set_exception(reply)
            else:
                waiter.set_result(reply)
        return True

    def _look_at_the_oldest(self) -> None:
        """Fail what is overdue, and come again when the next one will be."""
        assert self._loop is not None
        now, self._timer = self._loop.time(), None
        in_flight = len(self._waiting) - len(self._unsent)
        if in_flight and self._connection is not None and now - self._heard_at >= self._silence_s:
            self.redial(f"no reply for {self._silence_s:g} s")
            in_flight = 0
        overdue, wake_at = 0, now + self._timeout_s
        for future, deadline in self._waiting:
            if deadline > now:
                wake_at = deadline
                break
            if not future.done():
                future.set_exception(self._unavailable(f"no reply within {self.timeout_ms} ms", overdue < in_flight))
            overdue += 1
        if not in_flight:  # what has left keeps its place, as its reply may still come; the rest does not
            del self._unsent[:overdue]
            for _ in range(overdue):
                self._waiting.popleft()
        if self._waiting:
            self._timer = self._loop.call_at(max(wake_at, now + TICK_S), self._look_at_the_oldest)

    def _fail(self, count: int, reason: str, *, sent: bool) -> None:
        for _ in range(count):
            future, _ = self._waiting.popleft()
            if not future.done():
                future.set_exception(self._unavailable(reason, sent))

    def _unavailable(self, reason: str, sent: bool) -> StoreUnavailable:
        if not sent and not self.connected:
            reason = f"{reason}; not connected: {self.last_error}"
        return StoreUnavailable(f"Redis at {self.address}: {reason}", sent=sent)

    # Connecting

    async def _dial(self) -> None:
        try:
            while not self._closed:
                try:
                    async with asyncio.timeout(self._silence_s):
                        connection = await self._connected()
                except (OSError, ReplyError, UnicodeError) as error:  # the last: a name that no DNS can hold
                    self.last_error = str(error) or type(error).__name__
                else:
                    self._connection, self._heard_at = connection, asyncio.get_running_loop().time()
                    self.dials += 1
                    self._flush_those_that_still_wait()
                    return
                await asyncio.sleep(self._backoff_s * self._random.uniform(0.5, 1.0))
                self._backoff_s = min(2 * self._backoff_s, BACKOFF_S[1])
        finally:
            self._dialling = None

    async def _connected(self) -> Connection:
        """A connection that has been greeted.  Raises OSError, TimeoutError, ReplyError."""
        loop, address = asyncio.get_running_loop(), self.address
        made = partial(Connection, self)
        opening: Awaitable[tuple[asyncio.Transport, Connection]]
        if address.path is not None:
            opening = loop.create_unix_connection(made, address.path)
        else:
            opening = loop.create_connection(made, address.host, address.port, ssl=address.context())
        _, connection = await opening
        try:
            await connection.greet(address.greeting())
        except BaseException:
            connection.transport.abort()
            raise
        return connection

    def lost(self, connection: Connection | None, reason: str) -> None:
        """What had left fails; what had not goes with the next connection."""
        if connection is None or connection is not self._connection:
            return
        self._connection, self.last_error = None, reason
        self._fail(len(self._waiting) - len(self._unsent), f"the connection was lost: {reason}", sent=True)
        if not self._closed and self._loop is not None:
            self._dialling = self._loop.create_task(self._dial())


class Connection(asyncio.Protocol):
    """One socket's life: bytes in, whole replies to the link."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._reader = hiredis.Reader(notEnoughData=NOT_YET)
        self._greeting: asyncio.Future[None] | None = None
        self._unanswered = 0  # of the greeting

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    async def greet(self, commands: list[tuple[str, ...]]) -> None:
        """Raises ReplyError: a wrong password, no such database."""
        self._unanswered = len(commands)
        self._greeting = asyncio.get_running_loop().create_future()
        self.transport.write(b"".join(map(pack, commands)))
        await self._greeting
        self._greeting = None

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        reader.feed(data)
        replies = []
        try:
            while (reply := reader.gets()) is not NOT_YET:
                replies.append(reply)
        except hiredis.ProtocolError as error:
            self._end(f"not a reply of Redis: {error}")
            return
        if self._greeting is not None:
            self._greeted(replies)
        elif not self._link.answered(replies):
            self._end("more replies than questions")

    def _greeted(self, replies: list[Any]) -> None:
        assert self._greeting is not None
        self._unanswered -= len(replies)
        refused = next((reply for reply in replies if isinstance(reply, ReplyError)), None)
        if self._greeting.done():
            return
        if refused is not None:
            self._greeting.set_exception(refused)
        elif not self._unanswered:
            self._greeting.set_result(None)

    def _end(self, reason: str) -> None:
        self.transport.abort()
        self.connection_lost(ConnectionError(reason))

    def connection_lost(self, error: Exception | None) -> None:
        reason = str(error or "the server hung up")
        if self._greeting is not None and not self._greeting.done():
            self._greeting.set_exception(ConnectionError(reason))
        self._link.lost(self, reason)
