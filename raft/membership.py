"""Who votes, who only listens, and what a majority is: cluster membership as a value.

A configuration travels in the log like any command ([R] §6, [T] chapter 4), and each server acts by the newest one in
its log, committed or not.  Two ways lead from one configuration to the next:

    one server at a time   any majority of the old and any majority of the new share a server, so one entry suffices
    joint consensus        C_old,new first: elections and commitment need a majority of the old AND of the new voters;
                           when that is committed, C_new

`next_step` picks the shorter one.  Learners receive the log without a voice: a new server catches up as one, so that its
empty disk does not count in any majority.

Sources: [R] §6; [T] §4.1 to 4.3; D. Ongaro, "bug in single-server membership changes", raft-dev 2015 (the
rule against it is in node.py).  Etcd differs: there a change takes effect when it is applied, not when it is appended.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import msgpack

Ids = frozenset[int]
NOBODY: Ids = frozenset()


@dataclass(frozen=True, slots=True)
class Membership:
    """One configuration.  While `old_voters` is not empty it is the joint one, C_old,new."""

    voters: Ids = NOBODY
    learners: Ids = NOBODY
    old_voters: Ids = NOBODY

    @classmethod
    def of(cls, *voters: int, learners: Collection[int] = ()) -> "Membership":
        return cls(frozenset(voters), frozenset(learners))

    @property
    def is_joint(self) -> bool:
        return bool(self.old_voters)

    @property
    def all_voters(self) -> Ids:
        return self.voters | self.old_voters

    @property
    def members(self) -> Ids:
        """Everyone who is sent the log."""
        return self.voters | self.old_voters | self.learners

    def may_vote(self, server: int) -> bool:
        return server in self.voters or server in self.old_voters

    def is_only_voter(self, server: int) -> bool:
        return self.all_voters == {server}

    # -- majorities ---------------------------------------------------------------------------------------------------

    def is_majority(self, servers: Collection[int]) -> bool:
        """Whether `servers` can decide: a majority of the voters, and of the old voters while there are any."""
        return majority_of(self.voters, servers) and (not self.old_voters or majority_of(self.old_voters, servers))

    def majority_reaches(self, position: Callable[[int], int]) -> int:
        """The largest value that a majority has reached: of log indexes, of heartbeat rounds."""
        reached = middle(self.voters, position)
        return min(reached, middle(self.old_voters, position)) if self.old_voters else reached

    # -- changes ------------------------------------------------------------------------------------------------------

    def next_step(self, target: "Membership") -> "Membership":
        """The configuration to append on the way to `target`: itself if one voter or none differs, else the joint one."""
        if len(self.voters ^ target.voters) <= 1:
            return target
        return Membership(target.voters, target.learners, old_voters=self.voters)

    def without_old(self) -> "Membership":
        """C_new of this C_old,new."""
        return Membership(self.voters, self.learners)

    # -- bytes --------------------------------------------------------------------------------------------------------

    def encode(self) -> bytes:
        """The data of a MEMBERSHIP entry: msgpack, three sorted lists."""
        encoded: bytes = msgpack.packb([sorted(self.voters), sorted(self.learners), sorted(self.old_voters)])
        return encoded

    @classmethod
    def decode(cls, data: bytes) -> "Membership":
        return cls(*(frozenset(servers) for servers in msgpack.unpackb(data)))

    def __str__(self) -> str:
        def listed(servers: Ids) -> str:
            return ",".join(map(str, sorted(servers)))

        old = f" from {listed(self.old_voters)}" if self.old_voters else ""
        learners = f" learners {listed(self.learners)}" if self.learners else ""
        return f"voters {listed(self.voters)}{old}{learners}"


EMPTY = Membership()


def majority_of(voters: Ids, servers: Collection[int]) -> bool:
    return 2 * sum(server in voters for server in servers) > len(voters)


def middle(voters: Ids, position: Callable[[int], int]) -> int:
    """The value that a majority of `voters` has reached; 0 if there are none: nobody has agreed to anything."""
    if not voters:
        return 0
    reached = sorted(map(position, voters), reverse=True)
    return reached[len(voters) // 2]
