"""A small language for stories about Raft: commands in, a transcript out; tests/traces/raft/*.txt hold what is expected.

A line that begins with `>` is a command; what follows it, up to the next, is what it led to.  Lines with `#` are for
the reader.

    > servers 1 2 3                 the founding members; all are up, with empty logs
    > logs 1: 1 1 2                 server 1 starts from a log with entries of these terms; `1 in 3:` and has seen term 3
    > limit 20                      bytes of entries in one message, from here on
    > joins 4                       a server that knows nobody yet
    > tick 1 [times]                time passes at a server
    > campaign 1                    its election timeout passes
    > propose 1 text                a command
    > change 1 voters 1,2,4 learners 5
    > transfer 1 to 2
    > read 1 mark
    > compact 1                     a snapshot of what it has applied
    > deliver [1-2]                 what is on the way now (from 1 to 2 only) arrives; answers stay on the way
    > settle                        deliver until nothing is on the way
    > drop [1-2]                    what is on the way is lost
    > crash 1, > restart 1          from what it has saved, which is everything
    > logs?                         the terms in each log, the committed ones before the bar

    python -m tests.raft.stories    writes the transcripts anew, to be read before they are committed
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

from raft.invariants import Invariants
from raft.membership import Membership
from raft.messages import (
    AppendEntries,
    AppendReply,
    Entry,
    EntryKind,
    HardState,
    Heartbeat,
    HeartbeatReply,
    InstallSnapshot,
    Message,
    ReadIndex,
    ReadIndexReply,
    RequestPreVote,
    RequestVote,
    SavedState,
    Snapshot,
    SnapshotReply,
    TimeoutNow,
)
from raft.node import Node, Ready, Refused, Role, Settings
from tests.raft.bench import entries
from tests.raft.model import ModelDisk

FOLDER = Path(__file__).parent.parent / "traces" / "raft"
SETTINGS = Settings(kept_entries=0, snapshot_chunk_bytes=8, appends_in_flight_max=2)


def told(message: Message) -> str:
    """A message in a few words."""
    match message:
        case RequestPreVote() | RequestVote():
            asked = "would you vote for me" if isinstance(message, RequestPreVote) else "vote for me"
            transfer = ", by the leader's wish" if isinstance(message, RequestVote) and message.transfer else ""
            return (
                f"{asked} in term {message.term}? last entry {message.last_index} of term {message.last_term}{transfer}"
            )
        case AppendEntries():
            new = " ".join(map(entry_told, message.entries)) or "nothing"
            return f"after {message.previous_index}/{message.previous_term}: {new}; committed {message.commit}"
        case AppendReply(agreed=True):
            return f"equal up to {message.index}"
        case AppendReply():
            return f"no: nothing like that at {message.index}, perhaps {message.hint_index}/{message.hint_term}"
        case Heartbeat() | HeartbeatReply():
            return f"{'heartbeat' if isinstance(message, Heartbeat) else 'alive in'} round {message.round}"
        case InstallSnapshot():
            return (
                f"snapshot at {message.last_index}/{message.last_term}, "
                f"bytes {message.offset}..{message.offset + len(message.chunk)} of {message.size}"
            )
        case SnapshotReply():
            return f"installed {message.last_index}" if message.installed else f"have {message.offset} bytes"
        case TimeoutNow():
            return "stand for election now"
        case ReadIndex():
            return f"where may I read? ({message.context.decode()})"
        case ReadIndexReply():
            return f"at {message.index} ({message.context.decode()})"
        case _:
            return "yes" if message.granted else f"no, it is term {message.term}"


def entry_told(entry: Entry) -> str:
    match entry.kind:
        case EntryKind.NO_OP:
            what = "no-op"
        case EntryKind.MEMBERSHIP:
            what = f"[{Membership.decode(entry.data)}]"
        case _:
            what = entry.data.decode()
    return f"{entry.index}/{entry.term} {what}"


class Story:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.nodes: dict[int, Node] = {}
        self.disks: dict[int, ModelDisk] = {}
        self.states: dict[int, list[str]] = {}
        self.network: list[Message] = []
        self.invariants = Invariants()

    def run(self, text: str) -> str:
        """The text with what follows each command replaced by what happens."""
        for line in text.splitlines():
            if line.startswith(">"):
                self.lines.append(line)
                self.do(line[1:].split())
            elif line.startswith("#") or not line:
                self.lines.append(line)
        return "\n".join(self.lines) + "\n"

    def do(self, words: list[str]) -> None:
        name, *arguments = words
        command: Callable[..., None] = getattr(self, COMMANDS[name])
        try:
            command(*arguments)
        except (Refused, ValueError) as error:
            self.lines.append(f"    refused: {error}")

    # -- servers ------------------------------------------------------------------------------------------------------

    def servers(self, *ids: str) -> None:
        membership = Membership.of(*map(int, ids))
        for id in membership.voters:
            self.begin(id, SavedState.founding(membership))

    def joins(self, id: str) -> None:
        self.begin(int(id), SavedState())

    def logs(self, id: str, *words: str) -> None:
        number, term, terms = int(id.rstrip(":")), words[-1], list(words)
        if terms[0] == "in":
            _, term, *terms = terms
        log = entries(*map(int, terms))
        saved = SavedState(HardState(int(term.rstrip(":"))), self.disks[number].saved.snapshot, log)
        self.begin(number, saved)

    def limit(self, size: str) -> None:
        for node in self.nodes.values():
            node.settings = replace(node.settings, append_bytes_max=int(size))

    def begin(self, id: int, saved: SavedState) -> None:
        self.disks[id] = ModelDisk(saved)
        self.states[id] = saved.snapshot.data.decode().split()
        self.nodes[id] = Node(id, saved, SETTINGS, Random(id))
        self.invariants.started(self.nodes[id], saved)
        self.pump(id)

    def crash(self, id: str) -> None:
        del self.nodes[int(id)]

    def restart(self, id: str) -> None:
        self.begin(int(id), self.disks[int(id)].saved)

    # -- requests -----------------------------------------------------------------------------------------------------

    def tick(self, id: str, times: str = "1") -> None:
        for _ in range(int(times)):
            self.nodes[int(id)].tick()
            self.pump(int(id))

    def campaign(self, id: str) -> None:
        self.nodes[int(id)].campaign()
        self.pump(int(id))

    def propose(self, id: str, *data: str) -> None:
        for command in data:
            self.nodes[int(id)].propose(command.encode())
        self.pump(int(id))

    def change(self, id: str, *words: str) -> None:
        sets = {kind: frozenset(map(int, ids.split(","))) for kind, ids in zip(words[::2], words[1::2], strict=True)}
        self.nodes[int(id)].propose_membership(Membership(**sets))
        self.pump(int(id))

    def transfer(self, id: str, _: str, to: str) -> None:
        self.nodes[int(id)].transfer_leadership(int(to))
        self.pump(int(id))

    def read(self, id: str, mark: str) -> None:
        self.invariants.read_asked(mark.encode())
        self.nodes[int(id)].read_index(mark.encode())
        self.pump(int(id))

    def compact(self, id: str) -> None:
        node = self.nodes[int(id)]
        snapshot = node.compact(node.applied_index, " ".join(self.states[node.id]).encode())
        assert snapshot is not None
        self.disks[node.id].compact(snapshot, node.first_index)
        self.lines.append(f"    {id}: snapshot at {snapshot.index}/{snapshot.term}, log begins at {node.first_index}")

    # -- messages -----------------------------------------------------------------------------------------------------

    def deliver(self, link: str = "") -> None:
        for message in self.on_the_way(link):
            if message.to in self.nodes:
                self.lines.append(f"    {message.sender} → {message.to}  {told(message)}")
                self.nodes[message.to].step(message)
                self.pump(message.to)

    def drop(self, link: str = "") -> None:
        for message in self.on_the_way(link):
            self.lines.append(f"    {message.sender} ✗ {message.to}  {told(message)}")

    def on_the_way(self, link: str) -> list[Message]:
        def meant(message: Message) -> bool:
            return not link or link in (f"{message.sender}-{message.to}", f"{message.sender}-", f"-{message.to}")

        found = [message for message in self.network if meant(message)]
        self.network = [message for message in self.network if not meant(message)]
        return found

    def settle(self) -> None:
        while self.network:
            self.deliver()

    def logs_now(self) -> None:
        for id, node in sorted(self.nodes.items()):
            terms = [str(entry.term) for entry in node.log.slice(node.first_index, node.last_index)]
            terms.insert(max(node.commit_index - node.first_index + 1, 0), "|")
            before = f"({node.log.base_index}) " if node.log.base_index else ""
            self.lines.append(f"    {id} {node.role.value:13} term {node.term}   {before}{' '.join(terms)}")

    # -- what a server does -------------------------------------------------------------------------------------------

    def pump(self, id: int) -> None:
        node = self.nodes[id]
        while node.has_ready():
            ready = node.ready()
            self.invariants.took(node, ready)
            self.disks[id].finish(ready)
            self.invariants.saved(id, ready.hard_state, ready.entries, ready.snapshot)
            for message in ready.messages_at_once + ready.messages:
                self.invariants.sent(message)
                self.network.append(message)
            self.apply(id, ready)
            node.advance(ready)

    def apply(self, id: int, ready: Ready) -> None:
        if ready.leadership is not None and ready.leadership.role is not Role.FOLLOWER:
            self.lines.append(f"    {id}: {ready.leadership.role.value} in term {ready.leadership.term}")
        elif ready.leadership is not None and ready.leadership.leader is not None:
            self.lines.append(f"    {id}: follows {ready.leadership.leader} in term {ready.leadership.term}")
        if ready.snapshot is not None:
            self.restored(id, ready.snapshot)
        self.invariants.applied(id, ready.committed)
        if ready.committed:
            self.lines.append(f"    {id}: applies {', '.join(map(entry_told, ready.committed))}")
        self.states[id] += [entry.data.decode() for entry in ready.committed if entry.kind is EntryKind.COMMAND]
        for read in ready.reads:
            self.invariants.read_answered(read.context, read.index)
            self.lines.append(f"    {id}: reads {read.context.decode()} at {read.index}")

    def restored(self, id: int, snapshot: Snapshot) -> None:
        self.invariants.restored(id, snapshot)
        self.states[id] = snapshot.data.decode().split()
        self.lines.append(f"    {id}: restores {snapshot.data.decode()!r} at {snapshot.index}, {snapshot.membership}")


COMMANDS = {
    name: name
    for name in (
        "servers", "logs", "limit", "joins", "tick", "campaign", "propose", "change", "transfer", "read", "compact",
        "deliver", "drop", "settle", "crash", "restart",
    )
} | {"logs?": "logs_now"}  # fmt: skip


def main() -> None:
    for path in sorted(FOLDER.glob("*.txt")):
        path.write_text(Story().run(path.read_text()))


if __name__ == "__main__":
    main()
