"""Which brokers hold the replicas of new partitions.

    brokers in turns of their racks     a0 b1 c2 a3 b4 c5          (racks a, b, c)
    partition 0                         a0 b1 c2                   leader first, followers on other racks
    partition 1                            b1 c2 a3                the start moves on by one
    ...
    partition 6                         a0 c2 b4                   a round later the followers are other ones

The first replica is the preferred leader, so a start that rotates spreads leadership evenly; followers that shift
with each round spread what a dead broker leaves behind over all others instead of over its neighbour.  A rack is used
twice only when each has been used once.  The start is random, so that many topics of one partition do not all live on
the first broker.

Brokers that are fenced hold replicas only when the others are too few: a replica of theirs is not in the ISR until
they are back.

Kafka: `StripedReplicaPlacer`, which shuffles where this shifts; the shifting is that of Kafka before KRaft
(`AdminUtils`), easier to predict and to read.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import zip_longest
from random import Random

from minikafka.controller.image import Broker


class CannotPlace(Exception):
    """There are not enough brokers: `str()` says so in Kafka's words."""


def place(
    brokers: Iterable[Broker], first: int, count: int, replication_factor: int, random: Random
) -> list[list[int]]:
    """Replicas, preferred leader first, of `count` partitions from number `first` on.

    Raises CannotPlace.
    """
    registered = list(brokers)
    if replication_factor > len(registered):
        raise CannotPlace(
            f"The target replication factor of {replication_factor} cannot be reached because only "
            f"{len(registered)} broker(s) are registered."
        )
    usable = in_turns_of_racks(broker for broker in registered if broker.active)
    if not usable:
        raise CannotPlace("All brokers are currently fenced.")
    reserve = in_turns_of_racks(broker for broker in registered if not broker.active)
    start, shift = random.randrange(len(usable)), random.randrange(len(usable))
    placed = []
    for turn in range(start + first, start + first + count):
        leader, *others = _rotated(usable, turn)
        followers = _rotated(others, shift + turn // len(usable))
        replicas = _spread([leader], followers, replication_factor)
        if len(replicas) < replication_factor:
            replicas = _spread(replicas, _rotated(reserve, turn), replication_factor)
        placed.append([broker.id for broker in replicas])
    return placed


def in_turns_of_racks(brokers: Iterable[Broker]) -> list[Broker]:
    """One broker of each rack, then the next one of each, by id; no rack is a rack of its own."""
    by_rack: dict[str, list[Broker]] = defaultdict(list)
    for broker in sorted(brokers, key=lambda broker: broker.id):
        by_rack[broker.rack or ""].append(broker)
    rounds = zip_longest(*(by_rack[rack] for rack in sorted(by_rack)))
    return [broker for one_round in rounds for broker in one_round if broker is not None]


def _spread(replicas: list[Broker], candidates: list[Broker], wanted: int) -> list[Broker]:
    """`replicas` and as many more as are wanted and there, the least used rack first, then as they stand."""
    if all(broker.rack is None for broker in candidates):
        return [*replicas, *candidates[: max(0, wanted - len(replicas))]]
    chosen, left = list(replicas), list(candidates)
    used = Counter(broker.rack for broker in chosen)
    while left and len(chosen) < wanted:
        best = min(left, key=lambda broker: 0 if broker.rack is None else used[broker.rack])
        left.remove(best)
        chosen.append(best)
        used[best.rack] += 1
    return chosen


def _rotated(brokers: list[Broker], places: int) -> list[Broker]:
    at = places % len(brokers) if brokers else 0
    return brokers[at:] + brokers[:at]
