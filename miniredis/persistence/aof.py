r"""The append-only file: every change, as the command that makes it again.

    #TS:1628217470\r\n                            annotation: the time, when `aof-timestamp-enabled`
    *2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n             before the first command, and when the database changes
    *1\r\n$5\r\nMULTI\r\n                         around a unit of several commands: all of it is replayed, or nothing
    *3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n
    *1\r\n$4\r\nEXEC\r\n

Three offsets follow each byte; they count up through all files of one process:

    written_offset    handed to us
    flushed_offset    gone through write(): survives the process        once per turn, before replies leave
    durable_offset    covered by an fsync: survives the power           when `appendfsync` says so

What `appendfsync` promises for a power failure (a killed process loses nothing acknowledged under any of them):

    always     nothing acknowledged is lost: replies wait for `durable_offset`
    everysec   an fsync begins at most 1.1 s after the one before began, or when that ends if it takes longer.  Lost is
               what came after the last fsync *that ended* had begun: about a second, plus the time of one fsync.
    no         what the kernel has not yet written back, about 30 s

Redis holds back its write() for up to 2 s while an fsync is running, since the two block each other in the kernel.
Here a write is never held back, as replies leave only after it.

Source: Redis 7.2 `aof.c`, feedAppendOnlyFile and flushAppendOnlyFile; redis.conf, "appendfsync".
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from durable.appender import Appender
from durable.disk import File
from miniredis.engine import Unit
from miniredis.wire.requests import Request
from serving.clock import Clock

logger = logging.getLogger("miniredis")

MULTI = b"*1\r\n$5\r\nMULTI\r\n"
EXEC = b"*1\r\n$4\r\nEXEC\r\n"
ARGUMENT = b"$%d\r\n%b\r\n"
FORMATS = [b"*%d\r\n" % count + ARGUMENT * count for count in range(6)]

SYNC_EVERY_US = 1_000_000
RETRY_EVERY_US = 1_000_000
SLOW_FSYNC_US = 2_000_000


def encode(request: Request) -> bytes:
    """`request` as an array of bulk strings."""
    count = len(request)
    if count == 3:
        name, key, value = request
        return FORMATS[3] % (len(name), name, len(key), key, len(value), value)
    if count == 2:
        name, key = request
        return FORMATS[2] % (len(name), name, len(key), key)
    return b"*%d\r\n%b" % (count, b"".join([ARGUMENT % (len(word), word) for word in request]))


def select(database: int) -> bytes:
    return encode((b"SELECT", b"%d" % database))


class Log:
    """Appends units to the newest increment, whichever that is.

    Errors: a failed write keeps what it should have written and is tried again every second; a failed fsync is final,
    until a rewrite has begun a new log from what is in memory.  `on_error` hears of both, and of the end of both.

    From a failed fsync, or from the moment that the log is switched on, until a rewrite has ended, the files are
    `incomplete`: not all that is in memory could be read back from them, so nothing more is called durable.
    """

    def __init__(
        self,
        settings: Any,
        clock: Clock,
        *,
        on_durable: Callable[[], None],
        on_error: Callable[[OSError | None], None],
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.durable_offset = 0
        self.incomplete = False
        self.delayed_fsyncs = 0  # times that one was due while the one before had been running for over 2 s
        self.error: OSError | None = None
        self._on_durable = on_durable
        self._on_error = on_error
        self._appender: Appender | None = None
        self._shift = 0  # offset - position in the current file
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._database = -1  # selected by what was appended last
        self._second = 0  # of the last annotation
        self._synced_us = 0  # when the last fsync began
        self._tried_us = 0  # when the last write failed
        self._warned_us = 0

    # -- offsets --------------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        return self._appender is not None

    @property
    def flushed_offset(self) -> int:
        return self._shift + (self._appender.written if self._appender else 0)

    @property
    def written_offset(self) -> int:
        return self.flushed_offset + self._buffered

    @property
    def buffered(self) -> int:
        """Bytes that have not gone through write() yet."""
        return self._buffered

    @property
    def syncing(self) -> bool:
        return self._appender is not None and self._appender.syncing

    # -- commands in ----------------------------------------------------------------------------------------------

    def append(self, unit: Unit) -> None:
        """Take a unit; it is written by the next `flush`."""
        pieces: list[bytes] = []
        if self.settings.aof_timestamp_enabled and (second := self.clock.now_ms() // 1000) > self._second:
            self._second = second
            pieces.append(b"#TS:%d\r\n" % second)
        if len(unit) == 1:
            database, request = unit[0]
            if database != self._database:
                pieces.append(select(database))
                self._database = database
            pieces.append(encode(request))
        else:
            if unit[0][0] != self._database:
                pieces.append(select(unit[0][0]))
                self._database = unit[0][0]
            pieces.append(MULTI)
            for database, request in unit:
                if database != self._database:
                    pieces.append(select(database))
                    self._database = database
                pieces.append(encode(request))
            pieces.append(EXEC)
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._buffer.append(data)
        self._buffered += len(data)

    # -- bytes out ------------------------------------------------------------------------------------------------

    def flush(self, *, sync: bool) -> None:
        """Put everything taken through one write(), and start an fsync if `sync`.  Failures go to `on_error`."""
        appender = self._appender
        if appender is None:
            return
        if self._buffered and not appender.broken and (self.error is None or self._retry_due()):
            data = self._buffer[0] if len(self._buffer) == 1 else b"".join(self._buffer)
            try:
                appender.append(data)
            except OSError as error:
                self._buffer = [data]
                self._tried_us = self.clock.monotonic_us()
                self._fail(error)
                return
            self._buffer.clear()
            self._buffered = 0
            if not self.incomplete:
                self._recover()
        if sync and appender.durable < appender.written:
            if not appender.syncing:
                self._synced_us = self.clock.monotonic_us()
            appender.sync()

    def _retry_due(self) -> bool:
        return self.clock.monotonic_us() - self._tried_us >= RETRY_EVERY_US

    def every_second(self) -> None:
        """Called often: starts the fsync of `everysec` when it is due."""
        appender = self._appender
        if appender is None or appender.durable == appender.written or appender.broken:
            return
        since_us = self.clock.monotonic_us() - self._synced_us
        if since_us < SYNC_EVERY_US:
            return
        if appender.syncing:
            if since_us > SLOW_FSYNC_US and self._warned_us != self._synced_us:
                self._warned_us = self._synced_us
                self.delayed_fsyncs += 1
                logger.warning("an fsync of the append-only file takes long: is the disk busy?")
            return
        self._synced_us = self.clock.monotonic_us()
        appender.sync()

    def flush_now(self) -> None:
        """Write and fsync everything, blocking: before a rewrite, and for the last breath.  Raises OSError."""
        self._tried_us = self.clock.monotonic_us() - RETRY_EVERY_US
        self.flush(sync=False)
        if self.error is not None:
            raise self.error
        if self._appender is not None:
            self._appender.sync_now()

    # -- files ----------------------------------------------------------------------------------------------------

    def open(self, file: File) -> None:
        """Go on in `file`.  The one before must be flushed, unless it is of no use any more."""
        self.close()
        position = file.size()
        shift = self._shift - position
        appender = Appender(
            file,
            on_durable=lambda durable: self._reached(appender, shift + durable),
            on_broken=lambda error: self._broke(appender, error),
        )
        self._appender, self._shift = appender, shift
        self._database = -1
        if not self.incomplete:
            self._reached(appender, self.flushed_offset)

    def open_incomplete(self, file: File) -> None:
        """Go on in `file`, which together with a base yet to be written will be the whole log.

        What was taken but not written is in memory, so it will be in that base.
        """
        self.close()
        self._shift += self._buffered
        self._buffer.clear()
        self._buffered = 0
        self.incomplete = True
        self.open(file)

    def completed(self) -> None:
        """That base is there."""
        appender = self._appender
        if appender is not None and not appender.broken:
            self.incomplete = False
            self._recover()
            self._reached(appender, self._shift + appender.durable)

    def close(self) -> None:
        if self._appender is not None:
            self._shift = self.flushed_offset
            self._appender.close()
            self._appender = None

    # -- the disk answers -----------------------------------------------------------------------------------------

    def _reached(self, appender: Appender, offset: int) -> None:
        if appender is self._appender and not self.incomplete and offset > self.durable_offset:
            self.durable_offset = offset
            self._on_durable()

    def _broke(self, appender: Appender, error: OSError) -> None:
        if appender is self._appender:
            self.incomplete = True
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        if self.error is None:
            logger.error("cannot write the append-only file: %s", error)
        self.error = error
        self._on_error(error)

    def _recover(self) -> None:
        if self.error is not None:
            logger.warning("the append-only file can be written again")
            self.error = None
            self._on_error(None)
