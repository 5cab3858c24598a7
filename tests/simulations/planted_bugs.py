"""Servers that are wrong in one place: to show that the simulation would have noticed.

Each bug is one function of the honest server, replaced while a seed runs.  The servers have no switch for it, and whoever
adds a promise to the scenario adds here the bug that breaks it.

    bug            a function that keeps or loses a promise, and what stands in its place
    judge_planted  what the runner is handed: at the top of a module, as it goes to other processes
"""

from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from unittest.mock import patch

from cli.simulate import judge_miniredis
from durable.appender import Appender
from miniredis.command import find
from miniredis.engine import Engine
from miniredis.persistence.aof import Log
from miniredis.persistence.aof_folder import LogFolder
from miniredis.persistence.aof_reader import Replay
from miniredis.persistence.files import FilePersistence
from miniredis.persistence.snapshotter import SteppedCopy
from miniredis.server import Server


@dataclass(frozen=True)
class Bug:
    """`owner.name` is replaced by `wrong`.

    appendfsync  the policy under which the broken promise is one
    seeds        how many of the first seeds are enough to catch it
    told         what the failure says: the reason is the bug, not a slip in planting it
    """

    owner: type
    name: str
    wrong: Callable[..., object] | property
    seeds: int
    told: str
    appendfsync: str = "always"


BUGS: dict[str, Bug] = {}


def bug(owner, name, *, seeds, told, appendfsync="always"):
    """The decorated function takes the place of `owner.name`; its own name is the name of the bug."""

    def plant(wrong):
        title = wrong.fget.__name__ if isinstance(wrong, property) else wrong.__name__
        BUGS[title] = Bug(owner, name, wrong, seeds, told, appendfsync)
        return wrong

    return plant


@contextmanager
def planted(*names):
    """The server with these bugs, until the end of the block."""
    with ExitStack() as stack:
        for name in names:
            entry = BUGS[name]
            stack.enter_context(patch.object(entry.owner, entry.name, entry.wrong))
        yield


async def judge_planted(world, name, appendfsync):
    """`judge_miniredis` with one bug."""
    with planted(name):
        return await judge_miniredis(world, appendfsync)


# Replies and fsync


@bug(FilePersistence, "gating", seeds=20, told="must stand")
@property
def a_reply_does_not_wait_for_its_fsync(self):
    return False


@bug(Server, "_end_turn", seeds=60, told="was seen")
def a_reader_does_not_wait_for_what_others_wrote(self):
    changed = bool(self.persistence.log.buffered)
    self.persistence.flush()
    if self.failed:
        return
    answering, self.answering = self.answering, {}
    position = self.persistence.written_offset
    for client in answering:
        data = self._take(client)
        if (changed or client.gated) and self.persistence.gating:
            client.gated += 1
            self.gate.append((position, client, data))
        else:
            self._write(client, data)


# Loading


@bug(Replay, "_end_is_cut", seeds=20, told="Bad file format")
def a_torn_tail_is_left_standing(self, size):
    pass


@bug(LogFolder, "open_last", seeds=60, told="after it had read")
def what_was_loaded_is_taken_for_durable(self):
    if not self.manifest.increments:
        return self.open_next()
    return self.disk.open(self.path_of(self.manifest.increments[-1]), "a")


@bug(Replay, "_replay", seeds=40, told="no number of them explains")
def half_of_a_torn_transaction_is_applied(self, request, end):
    command = find(request)
    if command.name not in ("multi", "exec"):
        self._run(command, request, end)
    self.position = end


# Rewriting


@bug(SteppedCopy, "step", seeds=20, told="cannot read ")
def a_base_is_named_before_it_is_durable(self):
    if self._done is None:
        return
    for chunk in self.remaining:
        self._file.append(chunk)
    self._end(None)


@bug(LogFolder, "commit", seeds=40, told="must stand")
def a_rewrite_drops_what_was_written_meanwhile(self, written, *, kept=1, waiting=False):
    base = self.manifest.next_base(self.prefix)
    self.disk.rename(written, self.path_of(base))
    self.disk.fsync_dir(self.path)
    self._replace(self.manifest.rewritten(base, 0))


@bug(LogFolder, "_replace", seeds=60, told="cannot read ")
def a_manifest_is_written_over_in_place(self, manifest):
    file = self.disk.open(self.path + "/" + self.manifest_name, "w")
    file.append(manifest.text().encode())
    file.fsync_now()
    self.disk.fsync_dir(self.path)
    self.manifest = manifest


# What is written down


@bug(Engine, "propagate_instead", seeds=60, told="taken and is there again")
def chance_is_written_down_instead_of_its_outcome(self, database, *requests):
    pass


@bug(Engine, "propagate_instead", seeds=60, told="after its deadline")
def a_time_to_live_is_written_down_instead_of_its_end(self, database, *requests):
    pass


# Now and then


@bug(Log, "every_second", seeds=20, told="must stand", appendfsync="everysec")
def everysec_never_comes(self):
    pass


# A failing disk


@bug(Appender, "_cut", seeds=60, told="Bad file format", appendfsync="everysec")
def bytes_of_a_failed_append_are_left_standing(self):
    self._torn = False
