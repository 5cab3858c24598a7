"""Scenarios against real processes: the same workload, nemesis and checker as in the simulator, and real signals.

What the simulator cannot show is here: the kernel, uvloop, real fsync, file locks, the time a start takes.  What real
processes cannot show stays there: a power failure, since nobody pulls the plug, and the same run twice, since a seed
fixes what is written and when we strike but not how the machine answers.

`mini chaos run redis-kill9` kills our server with -9 at random moments, twenty times, starts it again on what it left,
and reads everything.
"""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from lab.child import Child, ChildError, free_port
from lab.peers import mini_redis_command, redis_answers, redis_server_binary
from lab.relays import Relay
from scenarios import redis
from scenarios.resp import Streams


@dataclass(frozen=True)
class Drill:
    """One entry of `mini chaos run`."""

    name: str
    doc: str
    plan: redis.Plan
    directives: tuple[str, ...]


AOF = ("--save", "", "--appendonly", "yes", "--appendfsync")

DRILLS = {
    drill.name: drill
    for drill in (
        Drill(
            "redis-kill9",
            "kill -9 at random moments under load; with appendfsync always nothing acknowledged may be missing",
            redis.Plan(appendfsync="always", faults=("kill",)),
            (*AOF, "always"),
        ),
        Drill(
            "redis-kill9-everysec",
            "the same with appendfsync everysec: the page cache outlives the process, so still nothing may be missing",
            redis.Plan(appendfsync="everysec", faults=("kill",)),
            (*AOF, "everysec"),
        ),
        Drill(
            "redis-pause",
            "SIGSTOP and SIGCONT between kills, clients lose patience: what was under way may happen late, never twice",
            redis.Plan(appendfsync="always", faults=("kill", "pause", "pause"), request_deadline_s=0.3),
            (*AOF, "always"),
        ),
        Drill(
            "redis-cut",
            "connections reset by a relay between kills: clients that cannot know what became of their last writes",
            redis.Plan(appendfsync="always", faults=("kill", "cut", "cut"), pause_s=(0.0, 0.3)),
            (*AOF, "always"),
        ),
    )
}


class RealServer:
    """A child process as `scenarios.redis.Server` wants it; every start is on the same port and folder.

    `relay`, where there is one, stands between the clients and the server, and is what can be cut.
    """

    def __init__(self, command: Sequence[str], port: int, log: Path, relay: Relay | None = None) -> None:
        self.port, self.relay = port, relay
        self.child = Child("redis", command, log)

    async def connect(self) -> Streams:
        return await asyncio.open_connection("127.0.0.1", self.relay.port if self.relay else self.port)

    async def start(self) -> None:
        self.child.start()

    async def kill(self) -> None:
        if not self.child.running:
            raise redis.Violated(
                f"the server ended by itself, exit code {self.child.exit_code}\n{self.child.last_lines()}"
            )
        self.child.kill()

    async def pause(self) -> None:
        self.child.pause()

    async def resume(self) -> None:
        self.child.resume()

    async def cut(self) -> None:
        assert self.relay, "only a link with a relay can be cut"
        self.relay.cut()

    async def heal(self) -> None:
        assert self.relay
        self.relay.heal()

    async def power_failure(self) -> None:
        raise NotImplementedError("only the simulator can make the power fail")


def server_command(real: bool) -> list[str]:
    """What to start: Debian's redis-server when `real`, which shows that the checker asks for nothing unfair."""
    return [redis_server_binary()] if real else mini_redis_command()


def run(
    drill: Drill,
    *,
    rounds: int | None = None,
    seed: int = 1,
    real: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> redis.Report:
    """Run a drill in a temporary folder.  Raises ChildError when the server does not come up at all."""
    plan = drill.plan if rounds is None else replace(drill.plan, rounds=rounds)
    with tempfile.TemporaryDirectory(prefix="mini-chaos-") as folder:
        return asyncio.run(_run(drill, plan, seed, server_command(real), Path(folder), note))


async def _run(
    drill: Drill, plan: redis.Plan, seed: int, command: list[str], folder: Path, note: Callable[[str], None]
) -> redis.Report:
    port = free_port()
    files = folder / "data"
    files.mkdir()
    arguments = [*command, "--port", str(port), "--dir", str(files), *drill.directives]
    async with Relay(port) as relay:
        server = RealServer(arguments, port, folder / "server.log", relay if "cut" in plan.faults else None)
        await server.start()
        try:
            await server.child.until_ready(lambda: redis_answers(port))
            return await redis.run(server, plan, Random(seed), note)
        except ChildError as error:
            raise ChildError(f"{drill.name}: {error}") from error
        finally:
            await server.child.stopped()


def report_lines(report: redis.Report) -> list[str]:
    """The report as it is printed."""
    faults = ", ".join(f"{count} {name}" for name, count in sorted(report.faults.items())) or "none"
    lines = [
        f"faults                  {faults}; {report.restarts} restarts, {report.rewrites} rewrites begun",
        f"acknowledged            {report.acknowledged:,}",
        f"  of them lost          {report.lost:,}",
        f"unknown to the client   {report.unknown:,}",
        f"refused                 {report.refused:,}",
        f"longest unavailability  {report.longest_unavailability_s:.2f} s",
        f"everything read         {report.checks} times",
    ]
    return lines + [f"VIOLATION  {text}" for text in report.violations]
