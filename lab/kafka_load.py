"""Producers and consumers of a chaos run: librdkafka, as programs use it, and a note of all that it was told.

    producers   acks=all; one idempotent with five batches on their way, one plain with one, each to every partition; the
                plain one may repeat, and reorder: what is on its way to a frozen leader is sent again behind what went
                to the new one meanwhile, as its one batch on the way is counted for each broker
    consumers   two in a group, which commit what they have read
    outages     between two acknowledgements of a partition, the longest pause

The library has threads of its own, so one task of ours is enough: it hands over records and asks for news, and never waits.

What is set differs from librdkafka's defaults where a client that must not stand still for long would differ: an answer is
waited for one second (not 30; a frozen broker closes no connection), a broker that is gone is tried every half second (not
every ten), what failed is tried again after 0.3 s at most (not 1), and who leads is asked every 0.3 s (not every five minutes
or after an error, of which a frozen broker sends none).  How long a partition stands still is election and
session, which are the brokers', and after them one of these times, which are the client's.

Source: librdkafka's CONFIGURATION.md.  Next: scenarios/kafka_checker.py judges what is noted here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from lab.peers import PeerMissing
from scenarios.kafka_checker import History, Sent, Violated
from scenarios.kafka_wire import Stored

CLIENT: dict[str, Any] = {
    "log_level": 0,  # lost connections are what is to be expected here
    "socket.timeout.ms": 1000,
    "reconnect.backoff.max.ms": 500,
    "retry.backoff.max.ms": 300,
    "topic.metadata.refresh.interval.ms": 300,
}
PRODUCER = {
    "acks": "all",
    "linger.ms": 5,
    "request.timeout.ms": 1000,
    "message.timeout.ms": 120_000,
}
CONSUMER = {
    "group.id": "chaos",
    "auto.offset.reset": "earliest",
    "auto.commit.interval.ms": 1000,
}
READ_AT_ONCE = 500


def confluent() -> Any:
    """The library, which only this drill needs.  Raises PeerMissing."""
    try:
        import confluent_kafka
    except ImportError:
        raise PeerMissing("the Python package confluent-kafka is not here; `make setup` installs it") from None
    return confluent_kafka


@dataclass
class Outages:
    """How long each partition took nothing: per partition the last acknowledgement, the longest pause, and its end."""

    last: dict[int, float] = field(default_factory=dict)
    longest: dict[int, tuple[float, float]] = field(default_factory=dict)  # seconds, when it ended

    def served(self, partition: int, now: float) -> None:
        before = self.last.get(partition, now)
        self.last[partition] = now
        if now - before > self.longest.get(partition, (0.0, 0.0))[0]:
            self.longest[partition] = now - before, now

    def worst(self) -> tuple[float, float, int]:
        """Seconds, when it ended, which partition."""
        return max(((*pause, partition) for partition, pause in self.longest.items()), default=(0.0, 0.0, -1))


class Writer:
    """One producer."""

    def __init__(self, name: str, idempotent: bool, load: Load) -> None:
        self.name, self.load = name, load
        self.acknowledged = 0
        self.slowest_s = 0.0
        self.sent = [load.history.producer(f"{name}", each, idempotent) for each in range(load.partitions)]
        for each in self.sent:
            each.ordered = idempotent
        order = {"enable.idempotence": True} if idempotent else {"max.in.flight": 1}
        self.producer = confluent().Producer(
            CLIENT | PRODUCER | order | {"bootstrap.servers": load.bootstrap, "error_cb": self._error}
        )

    def send(self) -> None:
        """A record to each partition."""
        now = self.load.now()
        for sent in self.sent:
            number = len(sent.values)
            value = f"{self.name}:{sent.partition}:{number}".encode()
            try:
                self.producer.produce(
                    self.load.topic, value, partition=sent.partition, on_delivery=partial(self._told, sent, number, now)
                )
            except BufferError:  # the queue is full; what is in it goes first
                continue
            sent.values.append(value)

    def _told(self, sent: Sent, number: int, since: float, error: Any, message: Any) -> None:
        now = self.load.now()
        if error is not None:
            self.load.refused[error.name()] = self.load.refused.get(error.name(), 0) + 1
            return
        offset = message.offset()
        sent.offsets[number] = -1 if offset is None else offset  # None: the broker only said that it has it already
        self.acknowledged += 1
        self.slowest_s = max(self.slowest_s, now - since)
        self.load.outages.served(sent.partition, now)

    def _error(self, error: Any) -> None:
        """Most of them are news of lost connections, and the library goes on; after a fatal one it does not."""
        if error.fatal():
            self.load.faults.append(f"producer {self.name} ended: {error.str()}")


class Load:
    """All clients.  `run` until cancelled; with `draining` set, nothing new is sent."""

    def __init__(self, topic: str, partitions: int, bootstrap: str, every_s: float) -> None:
        self.topic, self.partitions, self.bootstrap = topic, partitions, bootstrap
        self.every_s = every_s
        self.now: Callable[[], float] = asyncio.get_running_loop().time
        self.history = History()
        self.outages = Outages()
        self.refused: dict[str, int] = {}
        self.faults: list[str] = []
        self.draining = False
        self.writers = [Writer("idempotent", True, self), Writer("plain", False, self)]
        self.consumers = [self._consumer() for _ in range(2)]
        self.delivered = 0  # to consumers, repetitions included

    def _consumer(self) -> Any:
        consumer = confluent().Consumer(CLIENT | CONSUMER | {"bootstrap.servers": self.bootstrap})
        consumer.subscribe([self.topic])
        return consumer

    @property
    def acknowledged(self) -> int:
        return sum(writer.acknowledged for writer in self.writers)

    @property
    def waiting(self) -> int:
        """Records sent and not answered for."""
        return sum(len(writer.producer) for writer in self.writers)

    async def run(self) -> None:
        while True:
            for writer in self.writers:
                if not self.draining:
                    writer.send()
                writer.producer.poll(0)
            for consumer in self.consumers:
                self._read(consumer)
            await asyncio.sleep(self.every_s)

    def _read(self, consumer: Any) -> None:
        for message in consumer.consume(READ_AT_ONCE, 0):
            if message.error() is not None:
                continue  # news of a lost broker or of a partition's end
            self.delivered += 1
            try:
                self.history.was_read(message.partition(), Stored(message.offset(), message.value()))
            except Violated as violated:
                self.faults.append(str(violated))

    def read_all(self) -> bool:
        """Whether consumers were given every offset up to the last that was acknowledged."""
        ends = dict.fromkeys(range(self.partitions), 0)
        for sent in self.history.producers:
            ends[sent.partition] = max(ends[sent.partition], 1 + max(sent.offsets.values(), default=-1))
        return all(len(self.history.read.get(partition, ())) >= end for partition, end in ends.items())

    def close(self) -> None:
        """Leaves the group; takes a moment."""
        for consumer in self.consumers:
            consumer.close()


def create_topic(bootstrap: str, topic: str, partitions: int) -> None:
    """With the replicas that the brokers are set to.  Raises KafkaException."""
    confluent()
    from confluent_kafka import admin

    client = admin.AdminClient(CLIENT | {"bootstrap.servers": bootstrap})  # kept while its answer is awaited
    client.create_topics([admin.NewTopic(topic, partitions)])[topic].result(20.0)  # type: ignore[attr-defined]
