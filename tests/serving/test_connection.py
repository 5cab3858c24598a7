import asyncio
import socket

from serving import connection as connection_module
from serving.connection import READ_AHEAD, Limits
from serving.open_connections import OpenConnections
from tests.serving.peers import Lines, Service, until, within

FLOOD = 32 * 1024 * 1024  # more than the kernel keeps for a loopback connection


async def test_answers_come_back_in_order():
    async with Service(OpenConnections()) as service:
        reader, writer, _ = await service.dial()
        writer.write(b"one\ntwo\nthr")
        writer.write(b"ee\n")
        assert await within(reader.readexactly(16)) == b">one\n>two\n>three"


async def test_what_is_sent_in_one_turn_leaves_in_one_write_and_before_later_writes():
    async with Service(OpenConnections()) as service:
        reader, _, served = await service.dial()
        writes = []
        served.transport = Recorder(served.transport, writes)
        served.send(b"a")
        served.send(b"b")
        served.write(b"c")
        served.send(b"d")
        assert await within(reader.readexactly(4)) == b"abcd"
        assert writes == [b"abc", b"d"]


class Recorder:
    """A transport that notes what is written."""

    def __init__(self, transport, writes):
        self._transport, self._writes = transport, writes

    def write(self, data):
        self._writes.append(bytes(data))
        self._transport.write(data)

    def __getattr__(self, name):
        return getattr(self._transport, name)


async def test_held_requests_wait_and_go_on_when_the_last_reason_is_gone():
    async with Service(OpenConnections()) as service:
        reader, writer, served = await service.dial()
        writer.write(b"before\nBLOCK\nafter\n")
        await until(lambda: served.held)
        served.hold("blocked")
        served.hold("loading")
        served.resume("blocked")
        served.resume("never held")
        assert served.held and served.kept == b"after\n"
        served.resume("loading")
        assert await within(reader.readexactly(15)) == b">before\n>after\n"


async def test_a_held_client_that_hangs_up_is_noticed():
    async with Service(OpenConnections()) as service:
        _, writer, served = await service.dial()
        writer.write(b"BLOCK\nmore\n")
        await until(lambda: served.held)
        writer.close()
        assert await within(served.over) is None


async def test_a_held_client_cannot_fill_the_memory():
    async with Service(OpenConnections()) as service:
        _, writer, served = await service.dial()
        writer.write(b"BLOCK\n")
        await until(lambda: served.held)
        writer.write(b"x" * FLOOD + b"\n")
        await until(lambda: not served.transport.is_reading())
        assert READ_AHEAD < len(served.kept) < READ_AHEAD + 1024 * 1024
        served.resume("blocked")
        await until(lambda: not served.kept)


async def test_a_client_that_does_not_read_is_read_no_further_until_it_does():
    limits = Limits(slow_reader_bytes=1024 * 1024)
    async with Service(OpenConnections(limits=limits)) as service:
        reader, writer, served = await service.dial()
        writer.transport.pause_reading()
        writer.write(b"BIG %d\nnext\n" % FLOOD)
        await until(lambda: served.held)
        assert (served.transport.is_reading(), served.kept) == (False, b"next\n")
        writer.transport.resume_reading()
        assert (await within(reader.readexactly(FLOOD + 6)))[-6:] == b">next\n"
        assert (served.held, served.transport.is_reading()) == (False, True)


async def test_past_the_hard_limit_of_output_the_connection_is_dropped():
    connections = OpenConnections(limits=Limits(output_hard_bytes=1000_000, slow_reader_bytes=0))
    async with Service(connections) as service:
        _, writer, served = await service.dial()
        writer.transport.pause_reading()
        writer.write(b"BIG %d\n" % FLOOD)
        assert await within(served.over) == "output buffer limit"
        assert connections.dropped_output == 1


async def test_at_the_soft_limit_it_is_dropped_after_its_seconds():
    limits = Limits(output_soft_bytes=1000_000, output_soft_seconds=0.01, slow_reader_bytes=0)
    async with Service(OpenConnections(limits=limits)) as service:
        _, writer, served = await service.dial()
        writer.transport.pause_reading()
        writer.write(b"BIG %d\n" % FLOOD)
        assert await within(served.over) == "output buffer limit"


async def test_a_client_that_reads_in_time_passes_the_soft_limit_unharmed():
    limits = Limits(output_soft_bytes=1000_000, output_soft_seconds=3600, slow_reader_bytes=0)
    async with Service(OpenConnections(limits=limits)) as service:
        reader, writer, served = await service.dial()
        writer.write(b"BIG %d\n" % FLOOD)
        await within(reader.readexactly(FLOOD))
        await until(lambda: served._soft_timer is None)
        assert served.unread_bytes == 0


async def test_limits_of_another_class_count_from_now_on():
    async with Service(OpenConnections()) as service:
        _, writer, served = await service.dial()
        writer.transport.pause_reading()
        writer.write(b"BIG %d\n" % FLOOD)
        await until(lambda: served.held)
        served.use_limits(Limits(output_hard_bytes=1000))
        assert await within(served.over) == "output buffer limit"


async def test_input_that_never_becomes_a_request_is_bounded():
    connections = OpenConnections(limits=Limits(query_buffer_bytes=100_000))
    async with Service(connections) as service:
        _, writer, served = await service.dial()
        writer.write(b"x" * 200_000)
        assert await within(served.over) == "query buffer limit"
        assert connections.dropped_query_buffer == 1


async def test_close_sends_what_is_written_and_begins_nothing_more():
    async with Service(OpenConnections()) as service:
        reader, writer, served = await service.dial()
        writer.write(b"BIG 3000000\nQUIT\nnever\n")
        assert (await within(reader.read()))[-5:] == b"xbye\n"
        assert await within(served.over) == "quit"


async def test_close_gives_up_on_a_peer_that_does_not_read(monkeypatch):
    monkeypatch.setattr(connection_module, "CLOSE_SECONDS", 0.01)
    async with Service(OpenConnections(limits=Limits(slow_reader_bytes=0))) as service:
        _, writer, served = await service.dial()
        writer.transport.pause_reading()
        writer.write(b"BIG %d\nQUIT\n" % FLOOD)
        assert await within(served.over) == "quit"


async def test_the_end_is_told_once_whatever_happens():
    async with Service(OpenConnections()) as service:
        _, writer, served = await service.dial()
        served.send(b"unsent")
        served.abort("first")
        served.abort("second")
        served.close("third")
        writer.close()
        await within(served.over)
        await until(lambda: not len(service.connections))
        assert served.ends == ["first"]


async def test_a_reset_is_told_as_the_error_it_is():
    async with Service(OpenConnections()) as service:
        _, writer, served = await service.dial()
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()
        assert isinstance(await within(served.over), ConnectionResetError)


async def test_nothing_is_written_after_the_end():
    async with Service(OpenConnections()) as service:
        reader, _, served = await service.dial()
        served.send(b"gathered;")
        served.write(b"x" * FLOOD)
        served.close()
        served.send(b"late")
        served.write(b"later")
        assert await within(reader.read()) == b"gathered;" + b"x" * FLOOD


async def test_a_request_that_breaks_the_server_breaks_its_connection_only():
    class Broken(Lines):
        def answer(self, line):
            if line == b"break":
                raise RuntimeError("a bug")
            super().answer(line)

    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    async with Service(OpenConnections(), Broken) as service:
        reader, writer, _ = await service.dial()
        _, other, broken = await service.dial()
        other.write(b"break\n")
        assert isinstance(await within(broken.over), RuntimeError)
        writer.write(b"still\n")
        assert await within(reader.readexactly(7)) == b">still\n"
