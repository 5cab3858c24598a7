"""When each broker was last heard, and how much of the metadata log it has applied.  In memory: no record, no log.

A heartbeat is the only sign of life; a closed connection is none, as brokers reconnect.  A broker silent for the
session timeout is fenced: its leaderships move.

Brokers send their heartbeats to every controller.  One that becomes the active one so knows when each was heard last, and
the sessions go on where they were: a broker that died with the old controller is fenced as soon as any other.  (In Kafka
only the active one hears them, and the next gives everybody a fresh session: the dead cost one timeout more.)  Whom a
standby has not heard, as it has just started, or hears badly, is given time to be heard now.

    broker 1   ♥    ♥    ♥ dies with the controller
                         |<───────── session ─────────>| fenced       also when another controller took over in between

Kafka: `BrokerHeartbeatManager`, `BrokerHeartbeatTracker`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from minikafka.controller.image import Broker

LEFT_AT_LEAST = 0.4
"""Of a session, under a new controller: two heartbeats."""


@dataclass(slots=True)
class Session:
    """heard_ms: the last heartbeat or registration.  leaving_at: the offset at which its controlled shutdown was decided."""

    broker_epoch: int
    heard_ms: int
    metadata_offset: int = -1
    leaving_at: int | None = None


class Overheard(NamedTuple):
    """A heartbeat that came to a controller, active or not."""

    broker_epoch: int
    heard_ms: int


class Sessions:
    def __init__(self, timeout_ms: int) -> None:
        self.timeout_ms = timeout_ms
        self.by_broker: dict[int, Session] = {}

    def start(self, brokers: Iterable[Broker], offset: int, now_ms: int, overheard: Mapping[int, Overheard]) -> None:
        """The controller became active: everyone who is not fenced has a session since it was last heard, with some time
        left in any case, or a fresh one."""
        self.by_broker = {}
        latest_ms = now_ms - self.timeout_ms + int(self.timeout_ms * LEFT_AT_LEAST)
        for broker in brokers:
            if not broker.fenced:
                before = overheard.get(broker.id)
                known = before is not None and before.broker_epoch == broker.epoch
                heard_ms = max(before.heard_ms, latest_ms) if before is not None and known else now_ms
                leaving_at = offset if broker.in_controlled_shutdown else None
                self.by_broker[broker.id] = Session(broker.epoch, heard_ms, leaving_at=leaving_at)

    def excuse(self, stood_still_ms: int, now_ms: int) -> None:
        """This controller did not run for so long, and cannot tell who was silent meanwhile."""
        for session in self.by_broker.values():
            session.heard_ms = min(session.heard_ms + stood_still_ms, now_ms)

    def heard(self, broker_id: int, broker_epoch: int, now_ms: int, metadata_offset: int = -1) -> Session:
        session = self.by_broker.get(broker_id)
        if session is None or session.broker_epoch != broker_epoch:
            session = self.by_broker[broker_id] = Session(broker_epoch, now_ms)
        session.heard_ms = max(session.heard_ms, now_ms)
        session.metadata_offset = max(session.metadata_offset, metadata_offset)
        return session

    def leaving(self, broker: Broker, offset: int) -> None:
        """Its controlled shutdown stands at `offset` of the metadata log."""
        session = self.by_broker.get(broker.id)
        if session is not None and session.leaving_at is None:
            session.leaving_at = offset

    def forget(self, broker_id: int) -> None:
        self.by_broker.pop(broker_id, None)

    def alive(self, broker: Broker, now_ms: int) -> bool:
        """Whether this registration of the broker was heard within the session timeout."""
        session = self.by_broker.get(broker.id)
        return (
            session is not None and session.broker_epoch == broker.epoch and now_ms - session.heard_ms < self.timeout_ms
        )

    def silent(self, brokers: Iterable[Broker], now_ms: int) -> Iterator[Broker]:
        """Brokers that are not fenced and should be."""
        return (broker for broker in brokers if not broker.fenced and not self.alive(broker, now_ms))

    def next_deadline_ms(self, brokers: Iterable[Broker]) -> int | None:
        """When the next broker will be silent for too long."""
        heard = [
            self.by_broker[broker.id].heard_ms
            for broker in brokers
            if not broker.fenced and broker.id in self.by_broker
        ]
        return min(heard) + self.timeout_ms if heard else None

    def applied_by_all(self, brokers: Iterable[Broker]) -> int | None:
        """The offset up to which every active broker has applied the log; None when there is none."""
        offsets = [
            session.metadata_offset if (session := self.by_broker.get(broker.id)) else -1
            for broker in brokers
            if broker.active
        ]
        return min(offsets, default=None)
