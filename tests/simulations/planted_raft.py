"""Raft's frequent mistakes around the node: in what is saved, when it is sent, and who is told what.

Each stands in the place of one or two functions while a seed runs (raft/ has no switch for it), and is found by the
invariants, by what the clients saw, or by nobody being served any more.  The mistakes within the node itself are planted in
tests/raft, under its own explorer.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from unittest.mock import patch

import msgpack

from cli.simulate_raft import Shape, drawn_plan, raft_run
from durable.appender import Appender
from durable.journal import HEADER, MAGIC, Journal, whole_records
from raft import storage
from raft.driver import Driver, OutcomeUnknown
from raft.example_kv import Table
from raft.host import Host
from raft.ready import ReadState, Role
from raft.storage import GroupStorage


@dataclass
class Bug:
    """Each `owner.name` is replaced by its `wrong`.

    seeds  where it is caught; a change of the scenario moves them
    told   what the failure says: the reason is the bug, not a slip in planting it
    faults, snapshot_entries, segment_bytes  where to look for it; empty or 0: as the seed draws them
    """

    replaced: list[tuple[object, str, Callable[..., object]]]
    seeds: range
    told: str
    faults: tuple[str, ...]
    snapshot_entries: int
    segment_bytes: int


BUGS: dict[str, Bug] = {}


def bug(owner, name, *, first=1, told, faults=(), snapshot_entries=0, segment_bytes=0):
    """The decorated function takes the place of `owner.name`; its own name is the name of the bug."""

    def plant(wrong):
        BUGS.setdefault(
            wrong.__name__, Bug([], range(first, first + 30), told, faults, snapshot_entries, segment_bytes)
        ).replaced.append((owner, name, wrong))
        return wrong

    return plant


async def judge_planted(world, name):
    """A seed with one bug."""
    with ExitStack() as stack:
        for owner, attribute, wrong in BUGS[name].replaced:
            stack.enter_context(patch.object(owner, attribute, wrong))
        plan = drawn_plan(world.random("plan"))
        shape = Shape(world.random("shape"))
        shape.snapshot_entries = BUGS[name].snapshot_entries or shape.snapshot_entries
        shape.segment_bytes = BUGS[name].segment_bytes or shape.segment_bytes
        return await raft_run(world, replace(plan, faults=BUGS[name].faults or plan.faults), shape)


# What is saved, and what must wait for it

saved_in_time = Driver._save
saved = GroupStorage.save
host_made = Host.__init__


@bug(Driver, "_save", told="durability")
def messages_leave_before_the_fsync(self, ready):
    for message in ready.messages:
        self._send(message)
    ready.messages = []
    saved_in_time(self, ready)


@bug(Driver, "_save", told="memory")
def only_entries_are_worth_an_fsync(self, ready):
    ready.must_sync = ready.must_sync and bool(ready.entries)
    saved_in_time(self, ready)


@bug(GroupStorage, "save", told="memory")
def term_and_vote_are_not_saved(self, hard_state, entries):
    saved(self, None, entries)


@bug(Journal, "_recover", told="memory", faults=("strike",), first=18)
def what_was_read_is_taken_for_durable(self, segment, last, replay):
    """A torn tail is cut, but what a killed process left in the page cache is believed."""
    content = self._disk.read(segment.path)
    whole = len(MAGIC)
    for position, data in whole_records(segment.path, content, may_be_torn=last):
        replay(segment.base + position, data)
        whole = position + HEADER.size + len(data)
    if last:
        file = self._disk.open(segment.path, "a")
        file.truncate(whole)
        file.close()
        segment.end = segment.base + whole


@bug(Appender, "_break", told="is corrupt", faults=("fsync_error", "power_loss"))
def an_fsync_that_failed_is_tried_again(self, error):
    self._wanted = self.written
    self._begin()


@bug(Host, "__init__", told="memory")
def a_node_comes_back_under_its_number_without_its_disk(self, node_id, disk, folder, **options):
    if disk.exists(folder) and options["random"].random() < 0.3:
        for part in ("journal", "snapshots"):
            for name in disk.listdir(f"{folder}/{part}"):
                disk.unlink(f"{folder}/{part}/{name}")
    host_made(self, node_id, disk, folder, **options)


# Snapshots


@bug(Table, "snapshot", told="state machines")
def a_snapshot_leaves_the_sessions_out(self):
    return msgpack.packb([self.values, [(session, (0, None)) for session in self.sessions]])


@bug(GroupStorage, "_begin_behind", told="the log begins with entry")
def the_log_before_a_snapshot_comes_back(self, index, term):
    self._forget_records(index)


@bug(
    GroupStorage,
    "first_entry_at",
    told="the log begins with entry",
    faults=("kill", "power_loss"),
    snapshot_entries=5,
    segment_bytes=300,
)
def segments_are_dropped_that_are_needed(self):
    return self.store.journal.written


@bug(storage, "replace_file_soon", told="is corrupt")
async def a_snapshot_is_renamed_before_it_is_durable(disk, path, content):
    disk.open(path, "w").append(content)
    disk.fsync_dir("raft/snapshots")


# Who is told what

finished = Driver._finish


def proposals_wait_on(self, now):
    self._elected = None
    self.machine.leadership(now.term, now.leader)


@bug(Driver, "_apply", told="no order explains")
def an_answer_goes_to_whoever_asked_for_that_index(self, entry):
    result = self.machine.apply(entry.index, entry.data) if not entry.kind else None
    _, future = self._proposals.pop(entry.index, (0, None))
    if future is not None and not future.done():
        future.set_result(result)


BUGS["an_answer_goes_to_whoever_asked_for_that_index"].replaced.append((Driver, "_follow", proposals_wait_on))


@bug(Driver, "read", told="no order explains", faults=("pause", "cut_off", "clock_rate"))
def a_leader_answers_reads_without_asking(self):
    if self.node.role is not Role.LEADER:
        raise OutcomeUnknown
    future = self._loop.create_future()
    future.set_result(None)
    return future


@bug(Driver, "_finish", told="no order explains")
def a_read_does_not_wait_until_all_is_applied(self, ready):
    ready.reads = [ReadState(read.context, 0) for read in ready.reads]
    finished(self, ready)
