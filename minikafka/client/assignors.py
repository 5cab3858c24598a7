"""How a group's leader shares the partitions among the members.

                 topics a and b, three partitions each, members x and y
    range        x: a0 a1 b0 b1    y: a2 b2         each topic cut in runs: same numbers of both topics meet in one member
    roundrobin   x: a0 a2 b1       y: a1 b0 b2      dealt like cards: the most even

Only the leader runs this; the coordinator passes the shares on unread.  So what a group may use is up to its members, and
all must know one that all have named.

Source: Kafka's `RangeAssignor`, `RoundRobinAssignor`.
"""

from collections.abc import Callable, Mapping
from itertools import cycle

Place = tuple[str, int]
Shares = dict[str, list[Place]]
Assignor = Callable[[Mapping[str, list[str]], Mapping[str, int]], Shares]
"""(topics that each member wants, partitions of each topic) -> the shares.

Members come in the order that counts: by instance id or member id.
"""


def share_by_range(wanted: Mapping[str, list[str]], partitions: Mapping[str, int]) -> Shares:
    """Runs of neighbouring partitions, topic by topic; the first members get one more when it does not come out even."""
    shares: Shares = {member: [] for member in wanted}
    for topic in sorted(partitions):
        members = [member for member, topics in wanted.items() if topic in topics]
        start = 0
        for place, member in enumerate(members):
            size = partitions[topic] // len(members) + (place < partitions[topic] % len(members))
            shares[member] += [(topic, index) for index in range(start, start + size)]
            start += size
    return shares


def share_by_turns(wanted: Mapping[str, list[str]], partitions: Mapping[str, int]) -> Shares:
    """All partitions of all topics, one to each member in turn; those who do not want the topic are passed over."""
    shares: Shares = {member: [] for member in wanted}
    turns = cycle(wanted)
    for topic in sorted(partitions):
        if not any(topic in topics for topics in wanted.values()):
            continue
        for index in range(partitions[topic]):
            member = next(member for member in turns if topic in wanted[member])
            shares[member].append((topic, index))
    return shares


ASSIGNORS: dict[str, Assignor] = {"range": share_by_range, "roundrobin": share_by_turns}
"""By the names under which members offer them."""
