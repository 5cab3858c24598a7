"""Three Raft nodes on a stage: what they say to each other, drawn as it happens.

       ms    S1        S2        S3
      214    │         ◆         │        a timer runs out
      214    │◀────────●────────▶│        RequestPreVote ...

The nodes are raft.node.Node itself; only their surroundings are small here: disks that never wait, a network that takes some
milliseconds or swallows what crosses a cut.  Everything follows from the seed, so a performance is also a trace that can be
compared line by line.  What is performed is learn.py's matter.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush
from itertools import count, groupby
from random import Random
from typing import Any

import click

from raft.membership import Membership
from raft.messages import (
    AppendEntries,
    AppendReply,
    Entry,
    EntryKind,
    Message,
    PreVoteReply,
    RequestPreVote,
    RequestVote,
    SavedState,
    TimeoutNow,
    VoteReply,
)
from raft.node import Node
from raft.ready import Role, Settings

LANE = 10  # columns from one server to the next
LEFT, RIGHT = 11, 4  # columns before the first lane, and between the last and the words
TICK_MS = 20
DELAY_MS = (4, 12)
BARS = {Role.FOLLOWER: "│", Role.PRE_CANDIDATE: "╎", Role.CANDIDATE: "╎", Role.LEADER: "┃"}
COLORS = {Role.FOLLOWER: "blue", Role.PRE_CANDIDATE: "yellow", Role.CANDIDATE: "yellow", Role.LEADER: "green"}


def entries_as_words(entries: tuple[Entry, ...]) -> str:
    return ", ".join(f"{entry.index}:{content(entry)}" for entry in entries)


def content(entry: Entry) -> str:
    """What stands in an entry; a leader's first one says nothing."""
    return entry.data.decode() if entry.kind is EntryKind.COMMAND else "·"


def append_as_words(message: AppendEntries) -> str:
    return f"append {entries_as_words(message.entries)} behind entry {message.previous_index} of term {message.previous_term}"


def reply_as_words(message: AppendReply) -> str:
    if message.agreed:
        return f"I have everything up to entry {message.index}"
    if not message.hint_index:
        return f"no; I am in term {message.term}"
    return f"no: my entry {message.index} is not yours; try {message.hint_index}, of term {message.hint_term}"


WORDS: dict[type[Any], Callable[[Any], str]] = {
    RequestPreVote: lambda m: (
        f"would you vote for me in term {m.term}?  My log ends at {m.last_index}, term {m.last_term}"
    ),
    PreVoteReply: lambda m: "I would" if m.granted else f"no; I am in term {m.term}",
    RequestVote: lambda m: f"vote for me in term {m.term}",
    VoteReply: lambda m: "you have my vote" if m.granted else f"no; I am in term {m.term}",
    AppendEntries: append_as_words,
    AppendReply: reply_as_words,
    TimeoutNow: lambda m: "you have all I have: do not wait for your timer",
}
"""Messages that are shown; heartbeats are not: they would drown the rest."""


@dataclass(frozen=True)
class Line:
    """One line of a performance; `ms` is virtual time."""

    ms: int
    text: str


class Stage:
    """The nodes, the messages between them, and the pen.  `lines` grows as things happen."""

    def __init__(self, seed: int, servers: int = 3) -> None:
        self._dice = Random(seed)
        ids = range(1, servers + 1)
        saved = SavedState.founding(Membership.of(*ids))
        self.nodes = {id: Node(id, saved, Settings(), Random(self._dice.getrandbits(64))) for id in ids}
        self.ms = 0
        self.lines: list[Line] = []
        self.cut_off: set[int] = set()
        self._roles = {id: Role.FOLLOWER for id in ids}
        self._committed = dict.fromkeys(ids, 0)
        self._told: set[tuple[int, int, bool, int]] = set()
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = count()
        for id in ids:
            self._after(self._dice.randint(1, TICK_MS), partial(self._tick, id))

    # -- time and messages --------------------------------------------------------------------------------------

    def run(self, until: Callable[[], bool], limit_ms: int = 5000) -> None:
        """Let things happen until that is so."""
        end = self.ms + limit_ms
        while not until():
            self.ms, _, happen = heappop(self._events)
            assert self.ms < end, "the play does not go on"
            happen()

    def wait(self, ms: int) -> None:
        """Let so much time pass."""
        over: list[None] = []
        self._after(ms, lambda: over.append(None))
        self.run(lambda: bool(over), ms + 1)

    def _after(self, ms: int, happen: Callable[[], None]) -> None:
        heappush(self._events, (self.ms + ms, next(self._numbers), happen))

    def _tick(self, id: int) -> None:
        self._after(TICK_MS, partial(self._tick, id))
        self.nodes[id].tick()
        self._settle(id)

    def propose(self, id: int, command: str) -> None:
        """A client asks that server."""
        self.nodes[id].propose(command.encode())
        self._draw({id: "◀"}, f"a client asks S{id} for {command}", fg="cyan")
        self._settle(id)

    def hand_over(self, id: int, to: int) -> None:
        """That leader is told to make another one lead."""
        self.nodes[id].transfer_leadership(to)
        self._draw({id: "◆"}, f"S{id} is asked to hand over to S{to}", fg="cyan")
        self._settle(id)

    def _deliver(self, message: Message) -> None:
        if not self._is_cut(message):
            self.nodes[message.to].step(message)
            self._settle(message.to)

    def _is_cut(self, message: Message) -> bool:
        return (message.sender in self.cut_off) != (message.to in self.cut_off)

    def _settle(self, id: int) -> None:
        """Do what the node wants done: save (at once, here), send, apply."""
        node = self.nodes[id]
        while node.has_ready():
            ready = node.ready()
            self._show_role(id)
            self._send([*ready.messages_at_once, *ready.messages])
            node.advance(ready)
            self._show_commit(id)

    def _send(self, messages: list[Message]) -> None:
        shown = [message for message in messages if self._is_worth_showing(message)]
        for text, group in groupby(shown, key=lambda message: WORDS[type(message)](message)):
            self._draw_arrows(list(group), text)
        for message in messages:
            if not self._is_cut(message):
                self._after(self._dice.randint(*DELAY_MS), partial(self._deliver, message))

    # -- the pen ------------------------------------------------------------------------------------------------

    def _is_worth_showing(self, message: Message) -> bool:
        """Not heartbeats, not what only moves the commit index along, and no answer twice."""
        if isinstance(message, AppendReply):
            answer = (message.sender, message.term, message.agreed, message.index)
            told, self._told = answer in self._told, self._told | {answer}
            return not told
        return type(message) in WORDS and (not isinstance(message, AppendEntries) or bool(message.entries))

    def tell(self, *paragraph: str) -> None:
        """Words between the lines."""
        self.lines.append(Line(self.ms, ""))
        self.lines += [Line(self.ms, click.style("  " + text, bold=True) if text else "") for text in paragraph]
        self.lines.append(Line(self.ms, ""))

    def _show_role(self, id: int) -> None:
        node = self.nodes[id]
        if node.role is self._roles[id]:
            return
        before, self._roles[id] = self._roles[id], node.role
        words = {
            Role.FOLLOWER: f"S{id} steps down, and follows in term {node.term}",
            Role.PRE_CANDIDATE: f"S{id} has heard from no leader for too long",
            Role.CANDIDATE: f"S{id} begins term {node.term}, and votes for itself",
            Role.LEADER: f"S{id} has the votes of a majority: it leads term {node.term}",
        }
        if not (node.role is Role.FOLLOWER and before is not Role.LEADER):
            self._draw({id: "◆"}, words[node.role], fg=COLORS[node.role])

    def _show_commit(self, id: int) -> None:
        node = self.nodes[id]
        before, self._committed[id] = self._committed[id], node.commit_index
        if node.commit_index > before and node.role is Role.LEADER:
            self._draw({id: "◆"}, f"a majority has entry {node.commit_index}: S{id} calls it committed", fg="green")

    def _draw_arrows(self, messages: list[Message], text: str) -> None:
        row = self._bars()
        source = messages[0].sender
        place = self._place(source)
        lost = all(map(self._is_cut, messages))
        nearest = min(messages, key=lambda each: abs(each.to - source))
        for message in [nearest] if lost else sorted(messages, key=lambda each: -abs(each.to - source)):
            target = self._place(message.to)
            step = 1 if target > place else -1
            stop = target - step * LANE // 2 if self._is_cut(message) else target
            for column in range(place + step, stop, step):
                row[column] = "┼" if row[column] in BARS.values() else "─" if row[column] == " " else row[column]
            row[stop - step if stop == target else stop] = ("▶" if step > 0 else "◀") if stop == target else "╳"
        row[place] = "●"
        name = type(messages[0]).__name__
        self._add(row, click.style(f"{name:15}", dim=True) + text + ("  (lost)" if lost else ""))

    def _draw(self, marks: dict[int, str], text: str, **style: Any) -> None:
        row = self._bars()
        for id, mark in marks.items():
            row[self._place(id)] = mark
        self._add(row, click.style(text, **style))

    def _bars(self) -> list[str]:
        row = [" "] * (self._place(len(self.nodes)) + RIGHT)
        for id, role in self._roles.items():
            row[self._place(id)] = BARS[role]
        return row

    @staticmethod
    def _place(id: int) -> int:
        return LEFT + (id - 1) * LANE

    def _add(self, row: list[str], words: str) -> None:
        colored = list(row)
        for id, role in self._roles.items():
            colored[self._place(id)] = click.style(row[self._place(id)], fg=COLORS[role])
        time = click.style(f"{self.ms:6} ms", dim=True)
        self.lines.append(Line(self.ms, time + "".join(colored[9:]) + words))

    def heads(self) -> None:
        """The names above the lanes."""
        names = "".join(f"S{id}".ljust(LANE) for id in self.nodes)
        self.lines.append(Line(self.ms, " " * LEFT + click.style(names.rstrip(), bold=True)))

    def logs(self) -> None:
        """All logs, a column for each index: [term content] is committed as that server knows, (term content) is not."""
        width = 10
        last = max(node.last_index for node in self.nodes.values())
        head = "".join(f"{index}".ljust(width) for index in range(1, last + 1))
        self.lines.append(Line(self.ms, click.style(" " * LEFT + head.rstrip(), dim=True)))
        for id, node in self.nodes.items():
            cells = "".join(self._cell(node, entry).ljust(width) for entry in self._entries(node))
            name = click.style(f"S{id}", fg=COLORS[node.role], bold=True)
            self.lines.append(Line(self.ms, f"   {name} t{node.term}".ljust(LEFT + len(name) - 2) + cells.rstrip()))
        self.lines.append(Line(self.ms, ""))

    @staticmethod
    def _entries(node: Node) -> Iterator[Entry]:
        yield from node.log.slice(1, node.last_index)

    @staticmethod
    def _cell(node: Node, entry: Entry) -> str:
        opening, closing = "[]" if entry.index <= node.commit_index else "()"
        return f"{opening}{entry.term} {content(entry)}{closing}"
