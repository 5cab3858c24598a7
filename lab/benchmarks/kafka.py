"""`mini bench kafka`: ours beside Apache Kafka and beside a bare floor, in one run on one machine.

A rate alone says little: machines drift by a fifth within the hour, and a JVM doubles its own in its first minute.  So
every row is measured on each server in turn, the whole is repeated for several rounds, the first round is thrown away,
and what counts is the median and its ratio to the others in the same rounds.  Broker CPU comes from /proc/PID/stat and
says what a rate cannot: on two cores the broker, the load and the kernel take from one another.

    one broker        batches of 250, 100, 10 and 1 records of 1 KB, 100-byte records; consumers; one request in flight
    three brokers     the same with replication factor 3, acks=all
    a crowd           one producer beside 1,000 partitions and 1,000 connections
    start, memory     from exec to the first Metadata that lists every broker; resident, idle

Three things would favour whoever comes first or last, and are taken away: the order turns with every round, a topic's
files are gone before the next server is measured, and memory that the page cache is going to fill is touched beforehand
(on a virtual machine the host hands out a page at its first touch, which can cost more than the broker does).

The load comes from kafka_driver.c, which makes a request once and sends it often.  Every answer is checked: an error, or
an offset too many or too few, is a fault in the report and no figure.

Next: kafka_servers.py, who takes part;  kafka_tables.py prints what was measured beside what was aimed at.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from lab.benchmarks import kafka_driver as driver
from lab.benchmarks.kafka_driver import Measured
from lab.benchmarks.kafka_servers import (
    CONTESTANTS,
    Contestant,
    cpu_seconds,
    resident_mb,
    restart_seconds,
    wait_gone,
)
from lab.child import ChildError
from lab.kafka_peers import Kafka
from lab.peers import PeerMissing

MB = 1_000_000
VOLUME = 1000 * MB  # written by all brokers together while a row is measured, at most
REQUESTS_MAX = 100_000  # a second: more than any server answers
FILL_BYTES = 300 * MB  # what consumers find
GONE_DEADLINE_S = 10.0
SETTLE_S = 1.0  # after a start, before memory is read


@dataclass(frozen=True)
class Row:
    """One line of the table and the load behind it."""

    key: str  # for --rows
    text: str
    kind: str  # produce, latency, consume, crowd, start
    brokers: int = 1
    records: int = 1  # a batch, and a request
    size: int = 1024  # of a value, in bytes
    connections: int = 4  # to each broker
    in_flight: int = 5  # of each connection; a producer's default
    partitions: int = 6
    idempotent: bool = False

    @property
    def load(self) -> list[str]:
        """The driver's arguments, but for how long."""
        return [
            f"--records={self.records}",
            f"--size={self.size}",
            f"--connections={self.connections}",
            f"--in-flight={self.in_flight}",
            f"--messages={VOLUME // self.brokers // self.size}",
            *(["--idempotent"] if self.idempotent else []),
        ]


ROWS = (
    Row("full", "1 KB, batches of 250 KB", "produce", records=250),
    Row("100", "1 KB, 100 a batch", "produce", records=100),
    Row("10", "1 KB, 10 a batch", "produce", records=10, in_flight=32),
    Row("1", "1 KB, 1 a batch", "produce", records=1, in_flight=32),
    Row("small", "100 bytes, batches of 250 KB", "produce", records=2350, size=100),
    Row("idempotent", "1 KB, 10 a batch, idempotent", "produce", records=10, idempotent=True),
    Row("consume", "1 KB, one consumer", "consume", connections=1),
    Row("consume4", "1 KB, four consumers", "consume", connections=4),
    Row("latency", "200 bytes, one in flight", "latency", size=200, connections=1, in_flight=1, partitions=1),
    Row("crowd", "the same in a crowd of 1,000", "crowd", size=200, connections=1000, in_flight=1, partitions=1000),
    Row("start", "start to metadata, idle memory", "start"),
    Row("3-full", "1 KB, batches of 250 KB", "produce", 3, records=250, connections=2),
    Row("3-10", "1 KB, 10 a batch", "produce", 3, records=10, connections=2, in_flight=32),
    Row("3-small", "100 bytes, batches of 250 KB", "produce", 3, records=2350, size=100, connections=2),
    Row("3-latency", "200 bytes, one in flight", "latency", 3, size=200, connections=1, in_flight=1, partitions=1),
    Row("3-start", "start to metadata, idle memory", "start", 3),
)


@dataclass
class Figures:
    """What one server did in one row, a number per round.  Which lists are filled depends on the kind of row."""

    rates: list[float] = field(default_factory=list)  # messages a second
    cpu_ms: list[float] = field(default_factory=list)  # of all brokers, per MB of values (of batches when consumed)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    start_ms: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)  # of each broker

    def median(self, name: str) -> float | None:
        """Of one of the lists; None when nothing was measured."""
        values = getattr(self, name)
        return statistics.median(values) if values else None


@dataclass
class Results:
    """All figures of a run, the warm-up apart, who could not take part, and what went wrong."""

    rounds: int
    seconds: float
    figures: dict[tuple[str, str], Figures] = field(default_factory=dict)  # row, contestant
    warm_up: dict[tuple[str, str], Figures] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Size:
    """How long to measure: each row of each server for `seconds`, `rounds` times and once before."""

    rounds: int = 3
    seconds: float = 4.0


FULL = Size()
QUICK = Size(rounds=1, seconds=1.0)

Note = Callable[[str], None]


def run(
    size: Size,
    rows: Iterable[Row] = ROWS,
    contestants: Iterable[Contestant] = CONTESTANTS,
    note: Note = lambda _: None,
) -> Results:
    """Measure everything.  Raises PeerMissing without a C compiler."""
    driver.binary()
    rows, contestants = tuple(rows), tuple(contestants)
    results = Results(size.rounds, size.seconds)
    for brokers in (1, 3):
        able = [contestant for contestant in contestants if brokers in contestant.sizes]
        here = [row for row in rows if row.brokers == brokers]
        loads = [row for row in here if row.kind in ("produce", "consume", "latency")]
        crowds = [row for row in here if row.kind == "crowd"]
        if loads or crowds:
            measure_loads(results, brokers, [loads, crowds], able, size, note)
        for row in here:
            if row.kind == "start":
                measure_starts(results, row, able, size, note)
    return results


def measure_loads(
    results: Results,
    brokers: int,
    stages: list[list[Row]],
    contestants: list[Contestant],
    size: Size,
    note: Note,
) -> None:
    """Round after round, row after row, each server in turn; the servers stay up and wait.  Then the next stage."""
    with ExitStack() as running:
        fleet: list[tuple[Contestant, Kafka]] = []
        for contestant in contestants:
            with AbsenceNoted(results, contestant, brokers):
                fleet.append((contestant, running.enter_context(contestant.start(brokers))))
        for rows in stages:
            for turn in range(size.rounds + 1):
                for row in rows:
                    note(
                        f"{brokers_text(brokers)}, {row.text}, {f'round {turn} of {size.rounds}' if turn else 'warm-up'}"
                    )
                    first = turn % len(fleet) if fleet else 0
                    for contestant, kafka in (*fleet[first:], *fleet[:first]):
                        kept = results.figures if turn else results.warm_up
                        figures = kept.setdefault((row.key, contestant.name), Figures())
                        try:
                            MEASURE[row.kind](kafka, row, f"{row.key}-{turn}", size.seconds, figures)
                        except (ChildError, Fault) as error:
                            results.faults.append(f"{contestant.name}, {brokers_text(brokers)}, {row.text}: {error}")


class Fault(Exception):
    """The server answered, and the answers do not add up."""


def produce(kafka: Kafka, row: Row, topic: str, seconds: float, figures: Figures) -> None:
    with a_topic(kafka, topic, row):
        if row.kind == "produce":
            touch_memory(int(min(VOLUME, seconds * REQUESTS_MAX * row.records * row.size)))
        measured, cpu_s = load(kafka, "produce", topic, *row.load, f"--seconds={seconds}")
        no_faults(measured)
    figures.rates.append(measured.rate)
    figures.cpu_ms.append(1000 * cpu_s / (measured.bytes / MB))
    add_latency(figures, measured)


def consume(kafka: Kafka, row: Row, topic: str, seconds: float, figures: Figures) -> None:
    """From the beginning of every partition to its end, over and over while there is time."""
    messages = FILL_BYTES // row.size
    fill = ["--records=250", f"--size={row.size}", "--connections=2", "--in-flight=5", f"--messages={messages}"]
    with a_topic(kafka, topic, row):
        no_faults(driver.measure("produce", kafka.bootstrap, topic, *fill, "--seconds=30"))
        measured, cpu_s = load(kafka, "fetch", topic, f"--connections={row.connections}", f"--seconds={seconds}")
        if measured.errors:
            raise Fault(f"errors by code: {measured.errors}")
    figures.rates.append(measured.rate)
    figures.cpu_ms.append(1000 * cpu_s / (measured.bytes / MB))


@contextmanager
def a_topic(kafka: Kafka, topic: str, row: Row) -> Iterator[None]:
    """A topic for one measurement; deleted afterwards, and its files with it."""
    driver.create(kafka.bootstrap, topic, row.partitions, row.brokers)
    try:
        yield
    finally:
        with suppress(ChildError):
            driver.delete(kafka.bootstrap, topic)
            wait_gone(kafka, topic, GONE_DEADLINE_S)


def touch_memory(size: int) -> None:
    """Fill so many bytes of page cache and give them back: what is written next finds pages that are there already."""
    piece = bytes(MB)
    with tempfile.TemporaryFile() as scratch:
        for _ in range(size // MB):
            scratch.write(piece)


def crowd(kafka: Kafka, row: Row, topic: str, seconds: float, figures: Figures) -> None:
    """The topic of the warm-up serves all rounds: it is a thousand partitions."""
    topic = row.key
    if not figures.p50_ms and topic_is_new(kafka, topic, row):
        time.sleep(SETTLE_S)
    measured, _ = load(kafka, "crowd", topic, f"--connections={row.connections}", "--size=200", f"--seconds={seconds}")
    if measured.errors:
        raise Fault(f"errors by code: {measured.errors}")
    figures.rates.append(measured.rate)
    add_latency(figures, measured)


def topic_is_new(kafka: Kafka, topic: str, row: Row) -> bool:
    try:
        driver.create(kafka.bootstrap, topic, row.partitions, row.brokers)
    except ChildError as error:
        if not str(error).endswith("error 36"):  # it is there already
            raise
        return False
    return True


MEASURE = {"produce": produce, "latency": produce, "consume": consume, "crowd": crowd}


def load(kafka: Kafka, what: str, topic: str, *arguments: str) -> tuple[Measured, float]:
    """One run of the driver, and what the brokers spent on it in CPU seconds."""
    before_s = cpu_seconds(kafka)
    measured = driver.measure(what, kafka.bootstrap, topic, *arguments)
    spent_s = cpu_seconds(kafka) - before_s
    if not measured.messages:
        raise Fault(f"not one message; errors by code: {measured.errors}")
    return measured, spent_s


def no_faults(measured: Measured) -> None:
    """Raises Fault: everything that was acknowledged has an offset of its own, and nothing was refused."""
    if measured.errors:
        raise Fault(f"errors by code: {measured.errors}")
    if measured.stored != measured.messages:
        raise Fault(f"{measured.messages} messages acknowledged, by their offsets {measured.stored}")


def add_latency(figures: Figures, measured: Measured) -> None:
    figures.p50_ms.append(measured.latency_us["p50"] / 1000)
    figures.p99_ms.append(measured.latency_us["p99"] / 1000)


def measure_starts(results: Results, row: Row, contestants: list[Contestant], size: Size, note: Note) -> None:
    """Stop and start each server on its own empty data, alone on the machine; memory once it is idle."""
    for contestant in contestants:
        note(f"{brokers_text(row.brokers)}, {row.text}: {contestant.name}")
        figures = results.figures.setdefault((row.key, contestant.name), Figures())
        with AbsenceNoted(results, contestant, row.brokers), contestant.start(row.brokers) as kafka:
            for _ in range(size.rounds):
                figures.start_ms.append(1000 * restart_seconds(kafka))
                time.sleep(SETTLE_S)
                figures.memory_mb.append(resident_mb(kafka))


class AbsenceNoted(suppress):
    """Whoever cannot be started is named in the report, and the rest goes on."""

    def __init__(self, results: Results, contestant: Contestant, brokers: int) -> None:
        super().__init__(ChildError, PeerMissing)
        self.results, self.key = results, f"{contestant.name}, {brokers_text(brokers)}"

    def __exit__(self, kind, error, traceback):  # type: ignore[no-untyped-def]
        caught = super().__exit__(kind, error, traceback)
        if caught:
            self.results.absent[self.key] = str(error)
        return caught


def brokers_text(brokers: int) -> str:
    return "one broker" if brokers == 1 else "three brokers"
