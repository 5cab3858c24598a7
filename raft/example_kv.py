"""A state machine to replicate: a table with put, get and compare-and-swap, and the sessions that make a retry harmless.

A client that hears nothing cannot know whether its command was carried out, so it sends it again; carried out twice, a
`cas` answers that somebody else was faster.  Therefore clients open a *session*, number their commands, and send one at a
time; the machine keeps the last number and its answer for each session, *in the replicated state*: a new leader, and a
node that starts from a snapshot, must recognise a retry just as the old leader would have.

    command   [OPEN]                                  answers a session: the index of its own entry, never given twice
              [session, number, PUT, key, value]      answers None
              [session, number, CAS, key, old, new]   answers whether `old` was there (None: nothing is)
              [session, number, GET, key]             answers the value; usually asked by read index instead

Sessions are finite: the one that was silent for the longest is forgotten first, and what it sends later is refused rather
than carried out perhaps twice.  Whether it is silent is judged by entries, not by clocks, so that all nodes agree.

Pure, like every state machine here: the same entries give the same state on every node.  Sources: Ongaro (2014 thesis)
§6.3 "Implementing linearizable semantics"; Ongaro and Ousterhout (2014) §8.  Next: host.py replicates it.
"""

from __future__ import annotations

from typing import Any, cast

import msgpack

OPEN, PUT, CAS, GET = "open", "put", "cas", "get"
SESSIONS_MAX = 1000
EXPIRED = "the session has expired"
STALE = "a newer command of this session was carried out already"


class Refused(Exception):
    """The command was not carried out, and never will be."""


def encode_command(*command: Any) -> bytes:
    """A command as it is proposed."""
    return cast(bytes, msgpack.packb(command))


class Table:
    """Keys and values, and the sessions of those who change them."""

    def __init__(self, sessions_max: int = SESSIONS_MAX) -> None:
        self.values: dict[str, Any] = {}
        self.sessions: dict[int, tuple[int, Any]] = {}  # session: last number and its answer; the most silent one first
        self._sessions_max = sessions_max

    def apply(self, index: int, data: bytes) -> Any:
        """Carry out the command of one committed entry, and answer it.  A `Refused` is an answer, not raised."""
        command = msgpack.unpackb(data, use_list=False)
        if command[0] == OPEN:
            self.sessions[index] = (0, None)
            if len(self.sessions) > self._sessions_max:
                del self.sessions[next(iter(self.sessions))]
            return index
        session, number, *operation = command
        if session not in self.sessions:
            return Refused(EXPIRED)
        last, answer = self.sessions[session]
        if number < last:
            return Refused(STALE)
        if number > last:
            answer = self._carry_out(operation)
        del self.sessions[session]
        self.sessions[session] = (number, answer)  # at the end: it is the least silent now
        return answer

    def _carry_out(self, operation: list[Any]) -> Any:
        match operation:
            case ["put", key, value]:
                self.values[key] = value
                return None
            case ["cas", key, old, new]:
                if self.values.get(key) != old:
                    return False
                self.values[key] = new
                return True
            case ["get", key]:
                return self.values.get(key)
        raise ValueError(f"no such operation: {operation!r}")

    def get(self, key: str) -> Any:
        """The value now, or None."""
        return self.values.get(key)

    def snapshot(self) -> bytes:
        """Everything, sessions included: a retry must be known for one after the snapshot too."""
        return cast(bytes, msgpack.packb([self.values, list(self.sessions.items())]))

    def restore(self, snapshot: bytes) -> None:
        """Be what was then."""
        values, sessions = msgpack.unpackb(snapshot, use_list=False)
        self.values = values
        self.sessions = dict(sessions)
