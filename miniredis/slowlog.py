"""The slow log: the last commands that took longer than `slowlog-log-slower-than`.

In memory, of bounded length, and with long arguments cut, because the slowest commands tend to be the largest.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from miniredis.command import Command, Flag
from miniredis.wire.requests import Request

if TYPE_CHECKING:
    from miniredis.engine import Engine
    from miniredis.session import Session

ARGUMENTS_SHOWN = 32
BYTES_SHOWN = 128  # of each argument


@dataclass(slots=True)
class Entry:
    """One slow call."""

    id: int
    at_ms: int
    spent_us: int
    arguments: list[bytes]
    address: str
    client_name: bytes


class Slowlog:
    """The newest first."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.next_id = 0
        self.entries: deque[Entry] = deque()
        self.threshold_us: int = engine.settings.slowlog_log_slower_than  # negative: never; 0: everything

    def consider(self, session: Session, command: Command, request: Request, spent_us: int) -> None:
        """Note the call if it was slow."""
        if 0 <= self.threshold_us <= spent_us:
            self.note(session, command, request, spent_us)

    def note(self, session: Session, command: Command, request: Request, spent_us: int) -> None:
        if command.flags & Flag.SKIP_SLOWLOG:
            return
        arguments = shortened(command.shown(request))
        entry = Entry(self.next_id, self.engine.now_ms, spent_us, arguments, session.address, session.name)
        self.next_id += 1
        self.entries.appendleft(entry)
        self.trim()

    def trim(self) -> None:
        while len(self.entries) > self.engine.settings.slowlog_max_len:
            self.entries.pop()


def shortened(request: Request) -> list[bytes]:
    """The arguments as the log keeps them: 32 at most, of 128 bytes at most, each cut saying how much is missing."""
    shown = list(request) if len(request) <= ARGUMENTS_SHOWN else list(request[: ARGUMENTS_SHOWN - 1])
    for index, argument in enumerate(shown):
        if len(argument) > BYTES_SHOWN:
            missing = len(argument) - BYTES_SHOWN
            shown[index] = argument[:BYTES_SHOWN] + b"... (%d more bytes)" % missing
    if len(request) > len(shown):
        shown.append(b"... (%d more arguments)" % (len(request) - len(shown)))
    return shown
