import asyncio

import pytest

from serving import open_connections
from serving.open_connections import OpenConnections
from tests.serving.peers import DEADLINE_SECONDS, Lines, Service, until, within


@pytest.fixture
def quick_look(monkeypatch):
    monkeypatch.setattr(open_connections, "LOOK_SECONDS", 0.005)


async def test_past_the_maximum_a_client_is_told_why_and_closed():
    connections = OpenConnections(maximum=1, refusal=b"-ERR max number of clients reached\r\n")
    async with Service(connections) as service:
        _, first, _ = await service.dial()
        reader, _ = await asyncio.open_connection("127.0.0.1", service.listener.port)
        assert await within(reader.read()) == b"-ERR max number of clients reached\r\n"
        await until(lambda: len(service.made) == 2)
        assert (connections.accepted, connections.refused, len(connections)) == (1, 1, 1)
        assert service.made[1].ends == []
        first.close()
        await until(lambda: len(connections) == 0)
        reader, writer, _ = await service.dial()
        writer.write(b"room again\n")
        assert await within(reader.readline()) == b">room again\n"


async def test_a_refused_client_that_talks_is_not_heard():
    async with Service(OpenConnections(maximum=1, refusal=b"full\n")) as service:
        kept_open = await service.dial()
        reader, writer = await asyncio.open_connection("127.0.0.1", service.listener.port)
        writer.write(b"hello\n")
        assert await within(reader.read()) == b"full\n"
        await until(lambda: service.made[1].transport.is_closing())
        assert (service.made[1].kept, service.made[1].ends) == (b"", [])
        kept_open[1].close()


async def test_a_silent_client_is_closed_after_the_idle_time(quick_look):
    connections = OpenConnections(idle_seconds=0.01)
    async with Service(connections) as service:
        reader, _, served = await service.dial()
        assert await within(reader.read()) == b""
        assert await within(served.over) == "idle"
        assert connections.dropped_idle == 1


async def test_one_that_dribbles_bytes_without_a_request_is_idle_too(quick_look):
    async with Service(OpenConnections(idle_seconds=0.05)) as service:
        _, writer, served = await service.dial()
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not served.over.done():
                writer.write(b"x")
                await asyncio.sleep(0.001)
        assert served.over.result() == "idle"


async def test_one_that_waits_by_right_is_not_idle(quick_look):
    async with Service(OpenConnections(idle_seconds=0.01)) as service:
        _, kept_open, waiting = await service.dial()
        waiting.idle_allowed = True
        _, also_open, silent = await service.dial()
        assert await within(silent.over) == "idle"
        assert not waiting.over.done()
        kept_open.close()
        also_open.close()


async def test_the_idle_time_may_come_later(quick_look):
    connections = OpenConnections()
    async with Service(connections) as service:
        _, _, served = await service.dial()
        connections.use_idle_seconds(0.01)
        assert await within(served.over) == "idle"


async def test_stop_lets_each_finish_and_aborts_the_rest():
    class Busy(Lines):
        def drain(self):
            if self is not service.made[0]:
                super().drain()

    connections = OpenConnections()
    async with Service(connections, Busy) as service:
        first, second = await service.dial(), await service.dial()
        stubborn, decent = first[-1], second[-1]
        assert await within(connections.stop(0.01)) is False
        assert (stubborn.ends, decent.ends) == (["shutdown"], ["shutdown"])
        assert await within(connections.stop(1)) is True
