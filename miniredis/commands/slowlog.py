"""SLOWLOG: the commands that took longest of late.  What is kept stands in `miniredis/slowlog.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miniredis.command import ADMIN, LOADING, STALE, command
from miniredis.command_help import add_help
from miniredis.errors import RedisError, wrong_subcommand
from miniredis.numbers import parse_integer
from miniredis.wire.replies import OK, Status

if TYPE_CHECKING:
    from miniredis.session import Session

ADMINISTRATION = ADMIN | LOADING | STALE


@command("SLOWLOG GET [count]", ADMINISTRATION, since="2.2.12", group="server")
def slowlog_get(session: Session, *words: bytes) -> list[Any]:
    """The newest entries, ten unless told otherwise, -1 for all: number, second, microseconds, arguments, address, name
    of the client.  O(N) in the entries."""
    count = 10
    if len(words) > 1:
        raise wrong_subcommand(session.engine.request[1], "SLOWLOG")
    if words:
        number = parse_integer(words[0])
        if number is None or number < -1:
            raise RedisError("ERR count should be greater than or equal to -1")
        count = number
    entries = list(session.engine.slowlog.entries)
    return [
        [
            entry.id,
            entry.at_ms // 1000,
            entry.spent_us,
            entry.arguments,
            entry.address,
            entry.client_name,
        ]
        for entry in (entries if count == -1 else entries[:count])
    ]


@command("SLOWLOG LEN", ADMINISTRATION, since="2.2.12", group="server")
def slowlog_len(session: Session) -> int:
    """How many entries there are.  O(1)."""
    return len(session.engine.slowlog.entries)


@command("SLOWLOG RESET", ADMINISTRATION, since="2.2.12", group="server")
def slowlog_reset(session: Session) -> Status:
    """Forget them.  O(N) in the entries."""
    session.engine.slowlog.entries.clear()
    return OK


add_help("SLOWLOG", since="6.2.0")
