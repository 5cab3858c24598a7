"""A follower that needs entries the leader no longer has is sent the state instead: in chunks, put together here.

    leader                                      follower
      │── InstallSnapshot offset 0, chunk ────────►│  begins a file in memory, keyed by who sends what
      │◄───────────────── SnapshotReply offset n ──│
      │── InstallSnapshot offset n, chunk ────────►│  whole and its checksum right: it replaces the log
      │◄──────── SnapshotReply installed ──────────│  sent when the snapshot is durable

One chunk is under way at a time; a lost one is sent again at the next heartbeat's answer.  The follower says what it has,
so either side may restart in the middle.  A snapshot of what the follower has committed, or has in its log, is not needed:
the first would take it back in time, the second would throw away what follows.

Source: [R] §7 and Figure 13; [T] chapter 5.  Figure 13 marks the last chunk with `done`; here its end tells.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from zlib import crc32

from raft import replication
from raft.messages import InstallSnapshot, Snapshot, SnapshotReply
from raft.progress import Flow, Progress

if TYPE_CHECKING:
    from raft.node import Node


@dataclass(slots=True)
class Incoming:
    """The part of a snapshot that has arrived."""

    key: tuple[int, ...]
    data: bytearray = field(default_factory=bytearray)


# -- the leader sends -----------------------------------------------------------------------------------------------------


def begin(node: "Node", member: int, progress: Progress) -> None:
    progress.send_snapshot(node.log.snapshot)
    send_chunk(node, member, progress)


def send_chunk(node: "Node", member: int, progress: Progress) -> None:
    snapshot, offset = progress.snapshot, progress.offset
    assert snapshot is not None
    data = snapshot.data
    if progress.checksum is None:
        progress.checksum = crc32(data)
    node.send(
        InstallSnapshot(
            node.id, member, node.term, snapshot.index, snapshot.term, snapshot.membership,
            len(data), progress.checksum, offset, data[offset : offset + node.settings.snapshot_chunk_bytes],
        )
    )  # fmt: skip


def count_chunk(node: "Node", reply: SnapshotReply) -> None:
    progress = node.heard_from(reply.sender)
    if progress is None:
        return
    if reply.installed:
        replication.agreed(node, reply.sender, progress, reply.last_index)
        return
    snapshot = progress.snapshot
    if progress.flow is not Flow.SNAPSHOT or snapshot is None or snapshot.index != reply.last_index:
        return
    if reply.offset != progress.offset and reply.offset <= len(snapshot.data):  # the same again is a repeated message
        progress.offset = reply.offset
        send_chunk(node, reply.sender, progress)


# -- a follower receives --------------------------------------------------------------------------------------------------


def receive_chunk(node: "Node", message: InstallSnapshot) -> None:
    """[R] Figure 13, InstallSnapshot RPC, receiver.  (1., a lower term, was refused in `Node.step`.)"""
    node.heard_from_leader(message.sender)
    log = node.log
    # 6. If the log has the snapshot's last entry, all up to there is equal: keep it, and what follows it.
    if message.last_index <= log.committed or log.has(message.last_index, message.last_term):
        log.commit_to(message.last_index)
        node.incoming = None
        answer(node, message, message.size, installed=True)
        return
    if message.size > node.settings.snapshot_bytes_max:
        return
    # 2. to 4. A chunk belongs to one snapshot by one leader, and follows what is here; else say what is here.
    key = (message.term, message.last_index, message.last_term, message.size, message.checksum)
    if node.incoming is None or node.incoming.key != key:
        node.incoming = Incoming(key)
    data = node.incoming.data
    if message.offset == len(data) and len(data) + len(message.chunk) <= message.size:
        data += message.chunk
    if len(data) < message.size:
        answer(node, message, len(data))
        return
    # 5., 7. and 8. Whole: it takes the place of the log, and then of the state machine.
    node.incoming = None
    if crc32(data) != message.checksum:
        answer(node, message, 0)
        return
    log.install(Snapshot(message.last_index, message.last_term, message.membership, bytes(data)))
    node.snapshot_to_save = log.snapshot
    answer(node, message, message.size, installed=True)


def answer(node: "Node", message: InstallSnapshot, offset: int, *, installed: bool = False) -> None:
    node.send(SnapshotReply(node.id, message.sender, node.term, message.last_index, offset, installed))
