"""The relay passes everything on, and fails only on request."""

import asyncio

import pytest

from lab.relays import Relay


@pytest.fixture
async def echo_port():
    async def echo(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_bytes_pass_both_ways_are_counted_and_the_end_is_passed_on(echo_port):
    payload = bytes(range(256)) * 4096
    async with Relay(echo_port) as relay:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)

        async def send():
            writer.write(payload)
            await writer.drain()
            writer.write_eof()

        sending = asyncio.create_task(send())
        assert await reader.read(-1) == payload
        await sending
        assert (relay.forwarded, relay.returned) == (len(payload), len(payload))
        writer.close()


async def test_a_delay_holds_every_piece_back_and_keeps_their_order(echo_port):
    async with Relay(echo_port, delay_s=0.02) as relay:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        since = asyncio.get_running_loop().time()
        for number in range(20):
            writer.write(b"%02d" % number)
            await asyncio.sleep(0)
        assert await reader.readexactly(40) == b"".join(b"%02d" % number for number in range(20))
        assert asyncio.get_running_loop().time() - since >= 0.04
        writer.close()


async def test_held_bytes_wait_and_then_arrive(echo_port):
    async with Relay(echo_port) as relay:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        relay.hold()
        writer.write(b"late")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(reader.read(4), 0.05)
        relay.release()
        assert await reader.readexactly(4) == b"late"
        writer.close()


async def test_a_cut_resets_what_is_open_and_what_is_tried_until_it_is_healed(echo_port):
    async with Relay(echo_port) as relay:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        relay.cut()
        assert await ended(reader)
        again, _ = await asyncio.open_connection("127.0.0.1", relay.port)
        assert await ended(again)
        relay.heal()
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(b"y")
        assert await reader.readexactly(1) == b"y"
        writer.close()


async def ended(reader):
    try:
        return await reader.read(1) == b""
    except ConnectionError:
        return True


async def test_no_target_ends_the_connection():
    async with Relay(1) as relay:
        reader, _ = await asyncio.open_connection("127.0.0.1", relay.port)
        assert await ended(reader)
