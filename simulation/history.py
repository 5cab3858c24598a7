"""What clients saw, and whether one order of all calls explains it.

A client calls at one moment and has its answer at a later one; in between, at one single point, its call must have
taken effect.  When such points can be found for all calls of a history, it is *linearizable*: as if there were one copy
of the data and one call at a time.  A call without an answer (the connection broke) may have taken effect at any later
time, or never.

    A  |--set 1--|          |--get → 1--|
    B       |----set 2----|                 explained by: set 2, set 1, get → 1

The search tries each call that nobody had finished before it began, applies it to the model, and goes on; where the
model's answer differs it takes the last choice back.  What it remembers (which calls are done, and the state they led
to) keeps it from exploring the same twice.  It is exponential all the same, so keys are searched one by one, and after
`step_limit` steps the verdict is UNKNOWN, which is not OK.

Sources: Herlihy and Wing, "Linearizability" (TOPLAS 1990); Wing and Gong (1993); Lowe, "Testing for linearizability"
(2017), whose list with lifted entries this is; Porcupine (Go) and Knossos (Clojure) do the same.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

State = Hashable
Operation = tuple[Any, ...]
Apply = Callable[[State, Operation], tuple[State, Any]]
"""A model: the state and a call, to the state after it and the answer.  States must be hashable."""

STEP_LIMIT = 1_000_000


class Verdict(Enum):
    OK = "ok"
    VIOLATION = "violation"
    UNKNOWN = "unknown"  # the step limit was reached


@dataclass(eq=False)
class Call:
    """One call of one client: begun at `invoked`, answered at `completed` (None: nobody knows), in order of events."""

    client: str
    key: Hashable
    operation: Operation
    invoked: int
    completed: int | None = None
    result: Any = None

    def __str__(self) -> str:
        span = f"[{self.invoked}, {'?' if self.completed is None else self.completed}]"
        outcome = "?" if self.completed is None else repr(self.result)
        return f"{self.client} {span} {self.key!r}: {' '.join(map(repr, self.operation))} → {outcome}"


@dataclass
class History:
    """All calls of one run.  Time is the order in which `invoke` and `complete` were called."""

    calls: list[Call] = field(default_factory=list)
    _events: int = 0

    def invoke(self, client: str, key: Hashable, operation: Operation) -> Call:
        """A call begins.  Left alone, its outcome stays unknown."""
        call = Call(client, key, operation, self._next())
        self.calls.append(call)
        return call

    def complete(self, call: Call, result: Any) -> None:
        """The answer has come."""
        call.result, call.completed = result, self._next()

    def refuse(self, call: Call) -> None:
        """It is certain that the call had no effect: it never happened."""
        self.calls.remove(call)

    def by_key(self) -> dict[Hashable, list[Call]]:
        keys: dict[Hashable, list[Call]] = {}
        for call in self.calls:
            keys.setdefault(call.key, []).append(call)
        return keys

    def _next(self) -> int:
        self._events += 1
        return self._events


class NotLinearizable(AssertionError):
    """No order of the calls explains the answers; the text shows the calls of the key."""


def check(history: History, apply: Apply, initial: State = None, step_limit: int = STEP_LIMIT) -> Verdict:
    """The worst verdict over all keys: VIOLATION before UNKNOWN before OK.

    step_limit  for each key
    """
    verdicts = {linearizable(calls, apply, initial, step_limit) for calls in history.by_key().values()}
    return next((bad for bad in (Verdict.VIOLATION, Verdict.UNKNOWN) if bad in verdicts), Verdict.OK)


def verify(history: History, apply: Apply, initial: State = None, step_limit: int = STEP_LIMIT) -> list[Hashable]:
    """The keys for which the step limit was reached.  Raises NotLinearizable for the first that no order explains."""
    undecided = []
    for key, calls in history.by_key().items():
        verdict = linearizable(calls, apply, initial, step_limit)
        if verdict is Verdict.VIOLATION:
            raise NotLinearizable(f"no order explains key {key!r}:\n" + "\n".join(map(str, calls)))
        if verdict is Verdict.UNKNOWN:
            undecided.append(key)
    return undecided


class _Entry:
    """A call's beginning or end, in a doubly linked list by time."""

    __slots__ = ("after", "before", "call", "end", "number")

    def __init__(self, call: Call, number: int, end: "_Entry | None") -> None:
        self.call, self.number, self.end = call, number, end  # of a beginning: its end, None when unknown
        self.before: _Entry | None = None
        self.after: _Entry | None = None


def linearizable(calls: Iterable[Call], apply: Apply, initial: State, step_limit: int = STEP_LIMIT) -> Verdict:
    """Whether one order explains `calls`, all on one object that began as `initial`."""
    head, unfinished = _linked(list(calls))
    state, done, steps = initial, 0, 0
    taken: list[tuple[_Entry, State]] = []  # the order so far, each with the state before it
    seen = {(done, state)}
    entry = head.after
    while unfinished:
        steps += 1
        if steps > step_limit:
            return Verdict.UNKNOWN
        if entry is not None and _begins(entry):
            after, result = apply(state, entry.call.operation)
            mark = done | 1 << entry.number
            explained = entry.end is None or result == entry.call.result
            if explained and (mark, after) not in seen:
                seen.add((mark, after))
                taken.append((entry, state))
                state, done = after, mark
                unfinished -= entry.end is not None
                _lift(entry)
                entry = head.after
            else:
                entry = entry.after
            continue
        # An end: its call had to come before all that follows.  Take the last choice back and try the next.
        if not taken:
            return Verdict.VIOLATION
        entry, state = taken.pop()
        done &= ~(1 << entry.number)
        unfinished += entry.end is not None
        _unlift(entry)
        entry = entry.after
    return Verdict.OK


def _linked(calls: list[Call]) -> tuple[_Entry, int]:
    """The list's head, and how many of the calls must be explained."""
    entries: list[tuple[int, _Entry]] = []
    unfinished = 0
    for number, call in enumerate(calls):
        end = None
        if call.completed is not None:
            end = _Entry(call, number, None)
            end.end = end  # marks an end; see _begins
            entries.append((call.completed, end))
            unfinished += 1
        entries.append((call.invoked, _Entry(call, number, end)))
    entries.sort(key=lambda entry: entry[0])
    head = last = _Entry(Call("", None, (), 0), -1, None)
    for _, entry in entries:
        last.after, entry.before = entry, last
        last = entry
    return head, unfinished


def _begins(entry: _Entry) -> bool:
    return entry.end is not entry


def _lift(entry: _Entry) -> None:
    for lifted in (entry, entry.end):
        if lifted is not None:
            if lifted.before is not None:
                lifted.before.after = lifted.after
            if lifted.after is not None:
                lifted.after.before = lifted.before


def _unlift(entry: _Entry) -> None:
    for lifted in (entry.end, entry):
        if lifted is not None:
            if lifted.before is not None:
                lifted.before.after = lifted
            if lifted.after is not None:
                lifted.after.before = lifted


# Models


def register(state: State, operation: Operation) -> tuple[State, Any]:
    """("write", value) → None, ("read",) → value, ("compare_and_set", old, new) → bool."""
    match operation:
        case ("write", value):
            return value, None
        case ("read",):
            return state, state
        case ("compare_and_set", old, new):
            return (new, True) if state == old else (state, False)
    raise ValueError(f"a register has no {operation!r}")


NOT_AN_INTEGER = "not an integer"
INTEGERS = range(-(2**63), 2**63)


def redis_string(state: Any, operation: Operation) -> tuple[State, Any]:
    """One key of a Redis, None when absent, else its bytes; answers as Redis gives them.

    ("SET", value) → b"OK"; ("SETNX", value), ("APPEND", value), ("STRLEN",), ("DEL",), ("EXISTS",) → int;
    ("GET",), ("GETDEL",), ("GETSET", value) → bytes or None; ("INCR",), ("INCRBY", n) → int, or NOT_AN_INTEGER for any
    error answer
    """
    match operation:
        case ("GET",):
            return state, state
        case ("SET", value):
            return value, b"OK"
        case ("SETNX", value):
            return (value, 1) if state is None else (state, 0)
        case ("GETSET", value):
            return value, state
        case ("GETDEL",):
            return None, state
        case ("DEL",):
            return None, int(state is not None)
        case ("EXISTS",):
            return state, int(state is not None)
        case ("APPEND", value):
            longer = (state or b"") + value
            return longer, len(longer)
        case ("STRLEN",):
            return state, len(state or b"")
        case ("INCR",):
            return _incremented(state, 1)
        case ("INCRBY", amount):
            return _incremented(state, amount)
    raise ValueError(f"this model knows no {operation!r}")


def _incremented(state: bytes | None, amount: int) -> tuple[State, Any]:
    try:
        number = int(state or b"0")
    except ValueError:
        return state, NOT_AN_INTEGER
    if b"%d" % number != (b"0" if state is None else state) or number + amount not in INTEGERS:
        return state, NOT_AN_INTEGER
    return b"%d" % (number + amount), number + amount
