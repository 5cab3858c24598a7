"""Controllers that say what the test tells them to: the Envelope's bytes on simulated machines, and nothing behind them.

with_voters(story, voters=3)    runs `async def story(voters)` in virtual time; the same every time
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from minikafka.controller_channel import ControllerChannel, LocalController, unwrap, wrap_answer
from minikafka.wire.apis import APIS
from minikafka.wire.compile import decode
from minikafka.wire.frame import request_header, response_frame
from minikafka.wire.messages.controller import EnvelopeRequest
from simulation.disk import DiskOptions
from simulation.network import NetworkOptions
from simulation.world import Host, World

T = TypeVar("T")
PORT = 9093
ENVELOPE = APIS[EnvelopeRequest.__api_key__]
SILENCE = object()


def not_the_controller(request: Any) -> Any:
    return None


def silence(request: Any) -> Any:
    return SILENCE


class Voter:
    """One controller.  `answer(request)` gives a response, None when it is not the active one, or SILENCE.

    asked         what came, in order
    connections   how often it was dialled
    """

    def __init__(self, world: World, id: int) -> None:
        self.world, self.id = world, id
        self.answer: Callable[[Any], Any] = not_the_controller
        self.asked: list[Any] = []
        self.connections = 0
        self.unanswered: list[Callable[[Any], None]] = []
        """Of the questions met with SILENCE: calling it answers, late."""

    @property
    def host(self) -> str:
        return f"c{self.id}"

    def start(self) -> None:
        self.world.start(self.host, self._software)

    def kill(self) -> None:
        self.world.kill(self.host)

    async def _software(self, host: Host) -> None:
        server = await asyncio.start_server(self._serve, None, PORT)
        await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4), "big")
                frame = await reader.readexactly(size)
                header = request_header(frame, 0)
                envelope = decode(EnvelopeRequest, header.api_version, frame, header.position)[0]
                request = unwrap(envelope)
                self.asked.append(request)

                def say(response: Any, correlation: int = header.correlation_id) -> None:
                    version = ENVELOPE.newest
                    tagged = bool(ENVELOPE.response_header_version(version))
                    writer.write(response_frame(wrap_answer(response), version, correlation, tagged))

                response = self.answer(request)
                if response is SILENCE:
                    self.unanswered.append(say)
                else:
                    say(response)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


class Voters:
    """Voters 1 to `count`, and the channels of broker 9 that ask them."""

    def __init__(self, world: World, count: int) -> None:
        self.world = world
        self.voter = {id: Voter(world, id) for id in range(1, count + 1)}

    def __getitem__(self, id: int) -> Voter:
        return self.voter[id]

    def channel(self, me: int = 9, local: LocalController | None = None) -> ControllerChannel:
        return ControllerChannel({id: (voter.host, PORT) for id, voter in self.voter.items()}, me, local)

    def lead(self, active: int | None, answer: Callable[[Any], Any] = not_the_controller) -> None:
        """From now on voter `active` answers, and the others say that they are not the controller."""
        for id, voter in self.voter.items():
            voter.answer = answer if id == active else not_the_controller

    def asked(self) -> dict[int, int]:
        """How many questions each has had."""
        return {id: len(voter.asked) for id, voter in self.voter.items()}

    async def until(self, reached: Callable[[], bool], seconds: float = 60) -> None:
        """Look again and again, in virtual time."""
        async with asyncio.timeout(seconds):
            while not reached():  # noqa: ASYNC110 — nobody would set an event
                await asyncio.sleep(0.001)


def with_voters(story: Callable[[Voters], Awaitable[T]], voters: int = 3) -> T:
    """Run `story` on the machine of broker 9."""
    world = World(1, network=NetworkOptions(), disk=DiskOptions(stall=0.0))
    held = Voters(world, voters)

    async def told() -> T:
        await asyncio.sleep(0.01)  # the others listen by then
        return await story(held)

    async def scenario(world: World) -> T:
        for voter in held.voter.values():
            voter.start()
        return await world.spawn("broker", told())

    result = world.run(scenario, until=600.0)
    return result  # type: ignore[return-value]
