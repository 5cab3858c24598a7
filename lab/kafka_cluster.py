"""Three brokers of ours as real processes, with a relay in every link between them: what a nemesis can break.

    clients ──────────────────────────────► node 1 ── relay ──► node 2         each ordered pair of nodes has two relays:
                                            node 1 ◄── relay ── node 2         one to the broker, one to the controller

A node is told its relays by `mini.dial.<id>` for brokers and by its own `controller.quorum.voters` for controllers, so a
node can be cut off from the others while clients reach it still.  Clients are not relayed.

Source: scenarios/kafka_nemesis.py names what is asked of a cluster.  Next: kafka_watch.py, how it is looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from lab import kafka_nodes
from lab.child import Child, ChildError, free_port
from lab.kafka_peers import brokers_alive
from lab.kafka_watch import Watch
from lab.relays import Relay

NODES = (1, 2, 3)
READY_S = 60.0
STOP_S = 15.0


class RealCluster:
    """Nodes by number.  `async with` starts them, until each sees all, and stops them.

    say    where the timeline goes, line by line
    """

    def __init__(self, folder: Path, watched: tuple[str, int], say: Callable[[str], None]) -> None:
        self.folder = folder
        self.say = say
        self.silent = (
            False  # how a cut shows: False resets connections and refuses new ones, True swallows what is sent
        )
        self.ports = {node: free_port() for node in NODES}
        self._controller_ports = {node: free_port() for node in NODES}
        self._admin_ports = {node: free_port() for node in NODES}
        self._relays: dict[tuple[int, int], list[Relay]] = {}
        self._stack = AsyncExitStack()
        self._turn = 0
        self._down: set[int] = set()  # those that ended because we wanted it
        self.children: dict[int, Child] = {}
        self.watch = Watch(*watched, self.ports, self._admin_ports, say)

    @property
    def bootstrap(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self.ports.values())

    async def __aenter__(self) -> RealCluster:
        try:
            await self._start_relays()
            for node in NODES:
                self.data(node).mkdir(parents=True)
                command = kafka_nodes.command_of(self._properties(node))
                self.children[node] = Child(f"broker {node}", command, self.folder / f"{node}.log")
                self.children[node].start()
            for node in NODES:
                port = self.ports[node]
                await self.children[node].until_ready(lambda port=port: brokers_alive(port) == len(NODES), READY_S)  # type: ignore[misc]
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for node, child in self.children.items():
            self._down.add(node)
            child.kill()
        await self._stack.aclose()

    async def stop(self) -> None:
        """All in good order, one after the other, so that each can hand over what it leads."""
        self.heal()
        self.watch.stop()
        for node, child in self.children.items():
            self._down.add(node)
            await child.stopped(STOP_S)

    def data(self, node: int) -> Path:
        return self.folder / str(node)

    async def _start_relays(self) -> None:
        for source in NODES:
            for target in NODES:
                if source != target:
                    ports = self.ports[target], self._controller_ports[target]
                    self._relays[source, target] = [
                        await self._stack.enter_async_context(Relay(port)) for port in ports
                    ]

    def _properties(self, node: int) -> dict[str, str]:
        """As `mini kafka cluster` sets them, but for who is dialled where."""
        voters = [f"{node}@127.0.0.1:{self._controller_ports[node]}"]
        dialled = {}
        for other in NODES:
            if other != node:
                to_broker, to_controller = self._relays[node, other]
                voters.append(f"{other}@127.0.0.1:{to_controller.port}")
                dialled[f"mini.dial.{other}"] = f"127.0.0.1:{to_broker.port}"
        own = f"PLAINTEXT://127.0.0.1:{self.ports[node]},CONTROLLER://127.0.0.1:{self._controller_ports[node]}"
        return {
            **kafka_nodes.properties_of(0, node, len(NODES), self.data(node)),
            "listeners": own,
            "controller.quorum.voters": ",".join(voters),
            "admin-port": str(self._admin_ports[node]),
            **dialled,
        }

    # -- what a nemesis does ------------------------------------------------------------------------------------------

    def nodes(self) -> list[int]:
        return list(NODES)

    def start(self, node: int) -> None:
        self._down.discard(node)
        self.children[node].start()
        self.say(f"started broker {node}")

    def kill(self, node: int) -> None:
        self._ending(node, "kill -9")
        self.children[node].kill()

    def terminate(self, node: int) -> None:
        self._ending(node, "SIGTERM to")
        self.children[node].terminate()

    def _ending(self, node: int, how: str) -> None:
        if self.running(node):
            self._down.add(node)
            self.say(f"{how} broker {node}{self.watch.office(node)}")

    def running(self, node: int) -> bool:
        return self.children[node].running

    def pause(self, node: int) -> None:
        self.say(f"SIGSTOP to broker {node}{self.watch.office(node)}")
        self.children[node].pause()

    def resume(self, node: int) -> None:
        if self.children[node].state == "paused":
            self.children[node].resume()
            self.say(f"SIGCONT to broker {node}")

    def cut(self, source: int, target: int) -> None:
        for relay in self._relays[source, target]:
            relay.hold() if self.silent else relay.cut()

    def heal(self) -> None:
        for relays in self._relays.values():
            for relay in relays:
                relay.release()
                relay.heal()

    def slow_disk(self, node: int, factor: float) -> None:
        """Only the simulator has such disks; a mended one is all that is asked of us."""

    def clock_rate(self, node: int, rate: float) -> None:
        """Nor are clocks ours to change."""

    def power_loss(self, node: int) -> None:
        raise NotImplementedError("only the simulator can make the power fail")

    def strike(self, node: int, steps: int) -> None:
        self.power_loss(node)

    # -- what it knows ------------------------------------------------------------------------------------------------

    def controller(self) -> int | None:
        return self.watch.controller()

    def leader(self) -> int | None:
        """Of each partition in turn."""
        self._turn += 1
        return self.watch.leader(self._turn)

    def all_in_sync(self) -> bool:
        return not self.missing()

    def missing(self) -> list[str]:
        """What keeps it from being whole, in words."""
        down = [f"broker {node} does not run" for node, child in self.children.items() if not child.running]
        return down or self.watch.missing()

    def check_alive(self) -> None:
        """Raises ChildError when a node ended that nobody had touched."""
        for node, child in self.children.items():
            if not child.running and node not in self._down:
                raise ChildError(f"broker {node} ended by itself, exit code {child.exit_code}\n{child.last_lines()}")

    def logs(self, topic: str, partition: int) -> dict[int, bytes]:
        """The bytes of a partition's segments, one after the other, in the data of every broker."""
        return {
            node: b"".join(
                path.read_bytes() for path in sorted((self.data(node) / f"{topic}-{partition}").glob("*.log"))
            )
            for node in NODES
        }

    async def until(self, reached: Callable[[], bool], seconds: float, look_s: float = 0.05) -> bool:
        """Whether it came to that in time.  Raises ChildError when a node ended by itself meanwhile."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not reached():
            self.check_alive()
            if loop.time() > end:
                return False
            await asyncio.sleep(look_s)
        return True
