"""`mini up`: every server there is, as a child process, on one screen.

    Supervisor ── take the data folder ── start each, wait until it answers ── print where to connect
        │
        ├── watch: a child that ends by itself is reported with the last lines of its log, and left for you to look at
        ├── control socket: `mini ps|start|stop|kill|pause|resume NAME` from a second terminal (control.py)
        └── Ctrl-C or SIGTERM: SIGTERM to each child, ten seconds, then SIGKILL; a second Ctrl-C does not wait

Nothing is restarted on its own: here a dead server is the lesson, not the accident.  Production's supervisors (systemd,
Kubernetes) restart with backoff; that is their whole point and would hide ours.

Next: servers.py is the table of what is started, child.py how one process is held.
"""

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import control
from lab.child import POLL_S, PORT_TAKEN, Child, ChildError, free_ports
from lab.servers import SERVERS, Server

STOP_DEADLINE_S = 10.0
WATCH_S = 0.1


class Refused(Exception):
    """A request from the second terminal that makes no sense now; the text says why."""


@dataclass
class Member:
    """A process of a server of the table, and the child that runs it now."""

    name: str
    server: Server
    port: int
    child: Child
    expected: bool = True  # False when we were asked to stop or kill it, so that its end is no news

    def row(self) -> dict[str, Any]:
        """What `mini ps` shows."""
        return {
            "name": self.name,
            "state": self.child.state,
            "address": f"127.0.0.1:{self.port}",
            "pid": self.child.pid if self.child.running else None,
            "connect": self.server.connect.format(port=self.port),
        }


class Supervisor:
    """The lab in one data folder.  `ports` overrides the table's; 0 leaves the choice to the kernel."""

    def __init__(
        self,
        data: Path,
        servers: Sequence[Server] = SERVERS,
        ports: Mapping[str, int] | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self.data, self.say = data, say
        self._ports = dict(ports or {})
        self._servers = servers
        self.members: dict[str, Member] = {}
        self._ending = asyncio.Event()
        self._hurried = False
        self._busy = asyncio.Lock()  # one request from the second terminal at a time

    async def run(self) -> int:
        """Start, watch, stop; returns the exit code.  Raises AlreadyRunning."""
        lock = control.hold(self.data)  # kept open: closing it would give the folder away
        assert lock
        self._hear_signals()
        listening = await control.serve(self.data, self.act)
        try:
            healthy = await self._start_all()
            if healthy and not self._ending.is_set():
                self.say("\n".join(["", *table([m.row() for m in self.members.values()]), "", self._farewell()]))
                await self._watch()
            return 0 if healthy else 1
        finally:
            listening.close()
            await self._stop_all()
            (self.data / control.SOCKET).unlink(missing_ok=True)

    def end(self) -> None:
        """Ctrl-C: once to stop in order, twice to be quick about it."""
        self._hurried = self._ending.is_set()
        self._ending.set()

    def _hear_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.end)

    def _farewell(self) -> str:
        return (
            f"Data and logs are kept under {self.data}.  Ctrl-C stops everything.\n"
            "From a second terminal: mini ps, and mini stop|start|kill|pause|resume NAME"
        )

    # Starting and stopping

    async def _start_all(self) -> bool:
        for server in self._servers:
            if self._ending.is_set():
                return True
            self.say(f"{server.name}: starting ...")
            since = asyncio.get_running_loop().time()
            try:
                members = await self._start(server)
            except ChildError as error:
                self.say(f"{error}\nThe logs: {self.data / 'logs'}")
                return False
            seconds = asyncio.get_running_loop().time() - since
            ports = ", ".join(str(member.port) for member in members)
            self.say(f"{server.name}: ready on port{'s' * (len(members) > 1)} {ports} after {seconds:.1f} s")
        return True

    async def _start(self, server: Server) -> list[Member]:
        """Start on the wanted port or the next free one; again when another program was quicker to bind it."""
        wanted = self._ports.get(server.name, server.port)
        while True:
            port = free_ports(wanted, server.nodes * server.ports_each)
            if wanted and port != wanted:
                self.say(f"{server.name}: port {wanted} is taken, using {port}")
            members = []
            for number, name in enumerate(server.names(), 1):
                folder = self.data.absolute() / name
                folder.mkdir(parents=True, exist_ok=True)
                beside = [self.members[other].port for other in server.beside]
                child = Child(name, server.command_of(number, port, folder, beside), self._log(name))
                member = Member(name, server, port + (number - 1) * server.ports_each, child)
                self.members[name] = member
                members.append(member)
                child.start()
            try:
                await self._all_ready(members)
                return members
            except ChildError:
                taken = any(member.child.exit_code == PORT_TAKEN for member in members)
                for member in members:
                    await member.child.stopped(STOP_DEADLINE_S)
                if not taken:
                    raise
                wanted = port + 1 if wanted else 0

    async def _all_ready(self, members: Sequence[Member]) -> None:
        """At the same time, as nodes of a cluster wait for each other.  Raises ChildError, the first."""
        waiting = [asyncio.create_task(self._until_ready(member)) for member in members]
        done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_EXCEPTION)
        for task in pending:
            task.cancel()
        for task in done:
            task.result()

    async def _until_ready(self, member: Member) -> None:
        """Until it answers; a Ctrl-C meanwhile ends the waiting, and `_stop_all` the child."""
        server, child = member.server, member.child
        ready = asyncio.create_task(child.until_ready(lambda: server.answers(member.port), server.start_deadline_s))
        ending = asyncio.create_task(self._ending.wait())
        await asyncio.wait({ready, ending}, return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if ready.done():
            ready.result()
        else:
            ready.cancel()

    async def _stop_all(self) -> None:
        """The last server first, and of a cluster one node after the other, so that each can hand over what it leads."""
        deadlines: dict[str, float] = {}
        loop = asyncio.get_running_loop()
        for member in self.members.values():
            member.expected = False
        while waiting := [member for member in reversed(self.members.values()) if member.child.running]:
            begun: set[str] = set()
            for member in waiting:
                if member.server.name in begun and not self._hurried:
                    continue
                begun.add(member.server.name)
                if member.name not in deadlines:
                    deadlines[member.name] = loop.time() + STOP_DEADLINE_S
                    self.say(f"{member.name}: stopping ...")
                    member.child.terminate()
                if self._hurried or loop.time() > deadlines[member.name]:
                    member.child.kill()
            await asyncio.sleep(POLL_S)
        if self.members:
            self.say("all stopped")

    def _log(self, name: str) -> Path:
        return self.data / "logs" / f"{name}.log"

    async def _watch(self) -> None:
        while not self._ending.is_set():
            for member in self.members.values():
                if member.expected and not member.child.running:
                    member.expected = False
                    self.say(self._obituary(member))
            try:
                await asyncio.wait_for(self._ending.wait(), WATCH_S)
            except TimeoutError:
                continue

    def _obituary(self, member: Member) -> str:
        name = member.name
        lines = "\n".join(f"    {line}" for line in member.child.last_lines().splitlines())
        return (
            f"{name}: ended by itself, {ending(member.child.exit_code)}; the end of {self._log(name)}:\n"
            f"{lines}\n{name}: `mini start {name}` starts it again"
        )

    # The second terminal

    async def act(self, action: str, name: str) -> control.Answer:
        """One request from the control socket, and its answer."""
        async with self._busy:
            try:
                text = "" if action == "ps" else await self._act_on(action, self._member(name))
                ok = True
            except (ChildError, Refused) as error:
                text, ok = str(error), False
            return {"ok": ok, "text": text, "servers": [member.row() for member in self.members.values()]}

    def _member(self, name: str) -> Member:
        if name not in self.members:
            raise Refused(f"no server is called {name!r}; there is {', '.join(self.members) or 'none yet'}")
        return self.members[name]

    async def _act_on(self, action: str, member: Member) -> str:
        name, child = member.name, member.child
        if action == "start":
            if child.running:
                raise Refused(f"{name}: runs already")
            child.start()
            member.expected = True
            await self._until_ready(member)
            done = "started"
        elif action not in control.ACTIONS:
            raise Refused(f"cannot {action}; can {', '.join(control.ACTIONS)}")
        elif not child.running:
            raise Refused(f"{name}: does not run")
        elif action == "pause":
            child.pause()
            done = "paused; its clients wait"
        elif action == "resume":
            child.resume()
            done = "resumed"
        else:
            member.expected = False
            if action == "kill":
                child.kill()
            else:
                await child.stopped(STOP_DEADLINE_S)
            done = f"gone, {ending(child.exit_code)}"
        self.say(f"{name}: {done}")
        return f"{name}: {done}"


def ending(exit_code: int | None) -> str:
    """How a process ended, for people."""
    if exit_code is None or exit_code >= 0:
        return f"exit code {exit_code}"
    return f"by {signal.Signals(-exit_code).name}"


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Rows of `Member.row` as aligned lines."""
    head = {"name": "server", "state": "state", "address": "address", "pid": "pid", "connect": "connect with"}
    cells = [[str(row[key] if row[key] is not None else "-") for key in head] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
