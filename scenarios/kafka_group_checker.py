"""What a consumer group was promised, over all its members, generations and coordinators.

    shares      in one generation a partition belongs to one member
    fenced      once a generation has begun, no commit of an earlier one is taken
    resumed     a member goes on from what was committed last, or from a commit that nobody was answered about
    consumed    nothing below what the group has committed was passed over: at the end somebody has read every record

What was committed *last* needs care.  A coordinator that was cut off does not know that it is none any more, and goes on
telling what it knew: Kafka's OffsetFetch asks nobody else.  What it says may be old; but never older than the last time
that it proved itself by an answer that rests on the log (a commit, the shares of a new generation).  So with each proof
of a broker it is noted how many commits had been answered by the time it was asked, and it must know these for ever,
and those that it has answered itself.

Source: Kafka's documentation, "Consumer Position"; KIP-62.  Next: kafka_group.py has the members.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from scenarios.kafka_checker import Violated
from scenarios.kafka_wire import Stored


@dataclass(eq=False)
class Commit:
    """One that a member has sent.

    answered   how many had been before, and this one: their order; -1: not yet
    by         the broker that has answered
    """

    generation: int
    offset: int
    answered: int = -1
    by: int = -1


class Mark(NamedTuple):
    """What was known at one moment."""

    answers: int
    generation: int


class GroupHistory:
    """What all members of group `name` saw.

    generation   the latest in which somebody was given a share
    consumed     partition -> offsets that somebody has read
    """

    def __init__(self, name: str, partitions: int) -> None:
        self.name = name
        self.generation = 0
        self.consumed: dict[int, set[int]] = {partition: set() for partition in range(partitions)}
        self._owners: dict[tuple[int, int], str] = {}
        self._commits = {partition: [Commit(0, -1, 0)] for partition in range(partitions)}
        self._answers = 0
        self._proven: dict[int, int] = {}

    def mark(self) -> Mark:
        """To be taken before a question is sent, and given with its answer."""
        return Mark(self._answers, self.generation)

    def _proved(self, broker: int, asked: Mark) -> None:
        self._proven[broker] = max(self._proven.get(broker, 0), asked.answers)

    def was_given(self, broker: int, asked: Mark, generation: int, member: str, partitions: Iterable[int]) -> None:
        """Broker `broker` has given `member` its share of a generation.  Raises Violated."""
        for partition in partitions:
            owner = self._owners.setdefault((generation, partition), member)
            if owner != member:
                raise Violated(
                    f"group {self.name}: partition {partition} belongs to {owner} and to {member} in generation {generation}"
                )
        if generation > self.generation:  # else it may be told again, by one that has been replaced
            self.generation = generation
            self._proved(broker, asked)

    def commits(self, partition: int, generation: int, offset: int) -> Commit:
        """A member sends this."""
        commit = Commit(generation, offset)
        if generation >= self.generation:  # an earlier one is not to be taken, whatever the answer
            self._commits[partition].append(commit)
        return commit

    def was_committed(self, broker: int, asked: Mark, partition: int, commit: Commit) -> None:
        """Broker `broker` has taken it.  Raises Violated."""
        if commit.generation < asked.generation:
            raise Violated(
                f"group {self.name}: broker {broker} has taken a commit of generation {commit.generation} of partition "
                f"{partition} after generation {asked.generation} had begun"
            )
        self._answers += 1
        commit.answered, commit.by = self._answers, broker
        self._proved(broker, asked)

    def was_refused(self, partition: int, commit: Commit) -> None:
        """It will never be carried out."""
        if commit in (sent := self._commits[partition]):
            sent.remove(commit)

    def resumes(self, broker: int, partition: int, member: str, offset: int) -> None:
        """Broker `broker` tells `member` where the group was.  Raises Violated."""
        known = self._known(partition, self._proven.get(broker, 0), broker)
        possible = [known, *self._later(partition, known)]
        if offset not in [commit.offset for commit in possible]:
            raise Violated(
                f"group {self.name}: broker {broker} tells {member} that partition {partition} was read up to {offset}; "
                f"it knew of {known.offset}, committed in generation {known.generation}: the commit is lost"
            )

    def _known(self, partition: int, answers: int, broker: int = -1) -> Commit:
        """The last commit among the first `answers` that were answered, and those that `broker` has answered itself."""
        known = (
            commit
            for commit in self._commits[partition]
            if 0 <= commit.answered <= answers or (commit.answered > 0 and commit.by == broker)
        )
        return max(known, key=lambda commit: (commit.generation, commit.answered))

    def _later(self, partition: int, known: Commit) -> list[Commit]:
        """Those that may have replaced it: answered later, or not at all and not of an earlier generation."""
        return [
            commit
            for commit in self._commits[partition]
            if commit.generation >= known.generation and not 0 <= commit.answered <= known.answered
        ]

    def committed(self, partition: int) -> int:
        """What the last answered commit says."""
        return self._known(partition, self._answers).offset

    def verify(self, logs: dict[int, list[Stored]]) -> None:
        """`logs` is partition -> its records.  Raises Violated."""
        for partition, log in logs.items():
            missed = [record for record in log if record.offset not in self.consumed[partition]]
            if missed:
                raise Violated(f"group {self.name} has passed over {len(missed)} records of {partition}: {missed[0]}")
