"""`mini bench redis`: ours beside redis-server, fakeredis and the floor, in one run on one machine.

Rates move by a fifth from hour to hour on a shared machine, so no figure here stands alone: for every test each server
is measured in turn, the whole is repeated for several rounds, and what counts is the median and its ratio to
redis-server in the same rounds.  CPU per request comes from /proc/PID/stat of the server, and says what a rate cannot
when the load generator is the slower half: unpipelined, redis-benchmark and a server share two cores and both wait.

    persistence off    -P 1 and -P 16    all four servers
    AOF everysec       -P 1 and -P 16    redis-server and ours
    bulk load          redis-cli --pipe, a million SETs, then private memory (smaps_rollup)

Next: redis_tables.py prints what was measured beside what was aimed at.
"""

import os
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from lab import peers
from lab.child import ChildError
from lab.peers import Peer, PeerMissing
from scenarios.resp import Command, encode

CLIENTS = 50
OFF = ("--appendonly", "no")
EVERYSEC = ("--appendonly", "yes", "--appendfsync", "everysec")
ALLKEYS_LRU = ("--maxmemory-policy", "allkeys-lru")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
BENCHMARK_DEADLINE_S = 300


@dataclass(frozen=True)
class Contestant:
    """One of the servers; `share` of the requests for those that would take all day, and no pipelines for those whose
    replies leave one small packet at a time: then it is the kernel's delayed acknowledgements that are measured."""

    name: str
    start: Callable[..., AbstractContextManager[Peer]]
    share: float = 1.0
    pipelines: bool = True
    takes_directives: bool = True

    def started(self, directives: Iterable[str]) -> AbstractContextManager[Peer]:
        return self.start(*directives) if self.takes_directives else self.start()


REAL = Contestant("redis-server", peers.redis_server)
OURS = Contestant("mini", peers.mini_redis)
FLOOR = Contestant("floor", peers.floor_server, takes_directives=False)
FAKE = Contestant("fakeredis", peers.fakeredis_server, share=0.05, pipelines=False, takes_directives=False)


@dataclass(frozen=True)
class Test:
    """One line of redis-benchmark: a name it knows (-t), or a command with what must be there first."""

    __test__ = False  # not pytest's

    name: str
    share: float = 1.0
    pipelined_only: bool = False
    keeps_data: bool = False  # RPOP takes what LPUSH has left
    command: tuple[str, ...] = ()
    before: tuple[Command, ...] = ()

    @property
    def arguments(self) -> list[str]:
        return list(self.command) if self.command else ["-t", self.name.lower()]


HUNDRED = (b"RPUSH", b"mylist", *[b"xxx"] * 450)  # redis-benchmark's LRANGE reads the start of a long list

TESTS = (
    Test("PING_MBULK"),
    Test("GET", before=((b"SET", b"key:__rand_int__", b"xxx"),)),
    Test("SET"),
    Test("INCR"),
    Test("LPUSH"),
    Test("RPOP", keeps_data=True),
    Test("SADD"),
    Test("HSET"),
    Test("ZADD"),
    Test("MSET", share=0.3, pipelined_only=True),
    Test(
        "LRANGE_100",
        share=0.2,
        pipelined_only=True,
        command=("LRANGE", "mylist", "0", "99"),
        before=(HUNDRED,),
    ),
)


@dataclass
class Figures:
    """What one server did in one test, a number per round."""

    rates: list[float] = field(default_factory=list)  # requests per second
    cpu_us: list[float] = field(default_factory=list)  # server CPU per request

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def cpu(self) -> float:
        return statistics.median(self.cpu_us)


@dataclass
class Load:
    """What loading a million keys cost."""

    rates: list[float] = field(default_factory=list)  # SETs per second through redis-cli --pipe
    private_mb: list[float] = field(default_factory=list)  # after, MB of memory that is this process's alone
    resident_mb: list[float] = field(default_factory=list)


Key = tuple[str, int, str, str]  # persistence ("off", "everysec"), pipeline depth, test, contestant


@dataclass
class Results:
    """All figures of a run, and who could not take part."""

    rounds: int
    keys_loaded: int
    figures: dict[Key, Figures] = field(default_factory=dict)
    loads: dict[str, Load] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Size:
    """How long to measure."""

    rounds: int = 3
    requests: int = 100_000  # of -P 1; pipelined five times as many, as they pass that much quicker
    keys: int = 1_000_000
    load_rounds: int = 3


QUICK = Size(rounds=3, requests=20_000, load_rounds=1)
FULL = Size()


def run(size: Size, note: Callable[[str], None] = lambda _: None) -> Results:
    """Measure everything.  Raises PeerMissing when redis-benchmark is not installed."""
    peers.tool("redis-benchmark"), peers.tool("redis-cli")
    results = Results(size.rounds, size.keys)
    measure_rates(results, "off", OFF, (REAL, OURS, FLOOR, FAKE), size, note)
    measure_rates(results, "everysec", EVERYSEC, (REAL, OURS), size, note)
    measure_loads(results, (REAL, OURS, FLOOR), size, note)
    return results


def measure_rates(
    results: Results,
    persistence: str,
    directives: tuple[str, ...],
    contestants: tuple[Contestant, ...],
    size: Size,
    note: Callable[[str], None],
) -> None:
    """Every test at both depths, each server in turn, round after round; the servers stay up and wait their turn."""
    with ExitStack() as running:
        fleet: list[tuple[Contestant, Peer]] = []
        for contestant in contestants:
            try:
                fleet.append((contestant, running.enter_context(contestant.started(directives))))
            except (ChildError, PeerMissing) as error:
                results.absent[contestant.name] = str(error)
        for turn in range(1, size.rounds + 1):
            for depth in (1, 16):
                note(f"persistence {persistence}, -P {depth}, round {turn} of {size.rounds}")
                for test in TESTS:
                    if depth == 1 and test.pipelined_only:
                        continue
                    for contestant, peer in fleet:
                        if depth > 1 and not contestant.pipelines:
                            continue
                        requests = int(size.requests * (5 if depth > 1 else 1) * test.share * contestant.share)
                        rate, cpu_us = measure(peer, test, depth, max(requests, CLIENTS * depth))
                        key = (persistence, depth, test.name, contestant.name)
                        figures = results.figures.setdefault(key, Figures())
                        figures.rates.append(rate)
                        figures.cpu_us.append(cpu_us)


def measure(peer: Peer, test: Test, depth: int, requests: int) -> tuple[float, float]:
    """One run of redis-benchmark: requests per second, server CPU in µs per request."""
    say(peer.port, *([] if test.keeps_data else [(b"FLUSHALL",)]), *test.before)
    options = ["-p", str(peer.port), "-c", str(CLIENTS), "-n", str(requests), "-P", str(depth), "--csv"]
    before_us = cpu_us(peer)
    finished = subprocess.run(
        [peers.tool("redis-benchmark"), *options, *test.arguments],
        capture_output=True,
        text=True,
        timeout=BENCHMARK_DEADLINE_S,
    )
    spent_us = cpu_us(peer) - before_us
    lines = [line for line in finished.stdout.splitlines() if line.startswith('"')]
    if finished.returncode or len(lines) < 2:
        raise ChildError(f"redis-benchmark failed at {test.name}: {finished.stderr or finished.stdout}")
    return float(lines[-1].split('","')[1]), spent_us / requests


def say(port: int, *commands: Command) -> None:
    """Send commands and wait until each has been answered, whatever the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        replies = connection.makefile("rb")
        for command in commands:
            connection.sendall(encode(command))
            replies.readline()


def cpu_us(peer: Peer) -> float:
    """User and system time the server has used so far.  /proc/PID/stat, fields 14 and 15, in clock ticks."""
    fields = Path(f"/proc/{peer.child.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1_000_000 / TICKS_PER_SECOND


def measure_loads(
    results: Results, contestants: tuple[Contestant, ...], size: Size, note: Callable[[str], None]
) -> None:
    """A million SETs through `redis-cli --pipe` into an empty server, and what they weigh there."""
    with tempfile.NamedTemporaryFile(prefix="mini-sets-") as requests:
        write_sets(requests.name, size.keys)
        for turn in range(1, size.load_rounds + 1):
            note(f"bulk load of {size.keys:,} SETs, round {turn} of {size.load_rounds}")
            for contestant in contestants:
                with suppress(ChildError, PeerMissing):  # said already, by measure_rates
                    load_once(
                        results.loads.setdefault(contestant.name, Load()),
                        contestant,
                        requests.name,
                        size.keys,
                    )
    results.loads = {name: load for name, load in results.loads.items() if load.rates}


def load_once(load: Load, contestant: Contestant, requests: str, keys: int) -> None:
    with contestant.started((*OFF, *ALLKEYS_LRU)) as peer, Path(requests).open("rb") as source:
        since = time.perf_counter()
        finished = subprocess.run(
            [peers.tool("redis-cli"), "-p", str(peer.port), "--pipe"],
            stdin=source,
            capture_output=True,
            text=True,
            timeout=BENCHMARK_DEADLINE_S,
        )
        seconds = time.perf_counter() - since
        if f"errors: 0, replies: {keys}" not in finished.stdout:
            raise AssertionError(f"redis-cli --pipe into {contestant.name}: {finished.stdout}{finished.stderr}")
        private_kb, resident_kb = memory_kb(peer)
        load.rates.append(keys / seconds)
        load.private_mb.append(private_kb / 1024)
        load.resident_mb.append(resident_kb / 1024)


def write_sets(path: str, keys: int) -> None:
    """The requests as they go over the wire: key:%012d -> value:%d."""
    with Path(path).open("wb") as file:
        for start in range(0, keys, 10_000):
            numbers = range(start, min(start + 10_000, keys))
            file.writelines(encode((b"SET", b"key:%012d" % number, b"value:%d" % number)) for number in numbers)


def memory_kb(peer: Peer) -> tuple[int, int]:
    """(private, resident) of the server, from /proc/PID/smaps_rollup."""
    lines = Path(f"/proc/{peer.child.pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    return sizes["Private_Clean"] + sizes["Private_Dirty"], sizes["Rss"]
