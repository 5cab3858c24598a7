"""What a leader knows of one follower, and how much it sends before hearing back.

    PROBE        where do our logs meet?  One message at a time, until one is agreed to
    REPLICATE    they meet: messages go out one after another as if each had arrived, up to a window
    SNAPSHOT     it needs what the log no longer has: nothing but the chunks of a snapshot

        refused, or a message was lost            agreed
     ┌──────────────► PROBE ──────────────────────────► REPLICATE ─┐
     │                  │  ▲                                       │
     └──────────────────┼──┼───────────────────────────────────────┘
            compacted ▼  │ installed, or a new one asked for
                     SNAPSHOT

`next_index` is a guess and may go back; `match_index` is knowledge and only grows within a term ([R] Figure 2).

Source: [R] Figure 2 "Volatile state on leaders"; the three states are etcd's (its doc.go and tracker).
"""

from collections import deque
from enum import Enum

from raft.messages import Snapshot


class Flow(Enum):
    PROBE = "probe"
    REPLICATE = "replicate"
    SNAPSHOT = "snapshot"


class Progress:
    __slots__ = (
        "acknowledged_round",
        "checksum",
        "flow",
        "in_flight",
        "match_index",
        "next_index",
        "offset",
        "probe_sent",
        "recently_active",
        "snapshot",
        "told_commit",
    )

    def __init__(self, next_index: int) -> None:
        self.next_index = next_index
        self.match_index = 0
        self.told_commit = 0
        """The commit index in the last AppendEntries."""
        self.acknowledged_round = 0
        """The latest heartbeat round it answered."""
        self.recently_active = True
        """Heard since the leader last counted (CheckQuorum); a new one has the benefit of the doubt."""
        self.flow = Flow.PROBE
        self.probe_sent = False
        self.in_flight: deque[int] = deque()
        """The last index of each message sent and not agreed to, in REPLICATE."""
        self.snapshot: Snapshot | None = None
        """The one being sent: kept even if the leader makes a newer one meanwhile."""
        self.offset = 0
        """Bytes of it that have arrived."""
        self.checksum: int | None = None

    def may_send(self, window: int) -> bool:
        if self.flow is Flow.PROBE:
            return not self.probe_sent
        return self.flow is Flow.REPLICATE and len(self.in_flight) < window

    def sent(self, last_index: int) -> None:
        """A message with entries up to `last_index` (none: next_index - 1) has gone out."""
        if self.flow is Flow.PROBE:
            self.probe_sent = True
        elif last_index >= self.next_index:
            self.next_index = last_index + 1
            self.in_flight.append(last_index)

    def agreed(self, index: int) -> bool:
        """The logs are equal up to `index`; whether that is news.  Answers come out of order, so never less than before."""
        while self.in_flight and self.in_flight[0] <= index:
            self.in_flight.popleft()
        is_news = index > self.match_index
        self.match_index = max(self.match_index, index)
        self.next_index = max(self.next_index, index + 1)
        return is_news

    def refused(self, index: int, last_common: int) -> bool:
        """Nothing matched at `index`, and the logs can meet at `last_common` at best; False if that is old news."""
        if index <= self.match_index or (self.flow is Flow.PROBE and index != self.next_index - 1):
            return False  # it has agreed to more meanwhile, or this answers a probe before the last
        self.probe_from(max(min(index, last_common + 1), self.match_index + 1))
        return True

    def probe_from(self, next_index: int) -> None:
        self.flow = Flow.PROBE
        self.next_index = next_index
        self._settle()

    def replicate(self) -> None:
        self.flow = Flow.REPLICATE
        self.next_index = self.match_index + 1
        self._settle()

    def send_snapshot(self, snapshot: Snapshot) -> None:
        self.flow = Flow.SNAPSHOT
        self._settle()
        self.snapshot = snapshot

    def _settle(self) -> None:
        self.probe_sent = False
        self.in_flight.clear()
        self.snapshot, self.offset, self.checksum = None, 0, None
