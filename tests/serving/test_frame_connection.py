import asyncio

import pytest

from serving.connection import READ_AHEAD, Limits
from serving.frame_connection import FIRST_BYTES, SHARED_BYTES, BadFrame, FrameConnection
from serving.open_connections import OpenConnections
from tests.serving.peers import Service, until, within


class Frames(FrameConnection):
    def __init__(self, connections):
        super().__init__(connections)
        self.frames = []
        self.hold_at = None
        self.over = asyncio.get_running_loop().create_future()
        self.ready = asyncio.get_running_loop().create_future()

    def made(self):
        self.ready.set_result(None)

    def size_of_frame(self, header):
        if header[0] & 0x80:
            raise BadFrame("a negative length")
        return super().size_of_frame(header)

    def frame_received(self, frame):
        self.frames.append(bytes(frame))
        if len(self.frames) == self.hold_at:
            self.hold("blocked")

    def lost(self, why):
        self.over.set_result(why)


def frame(size, fill=b"x"):
    return (size - 4).to_bytes(4, "big") + fill * (size - 4)


SIZES = [
    4,
    5,
    100,
    SHARED_BYTES - 1,
    SHARED_BYTES,
    SHARED_BYTES + 1,
    FIRST_BYTES,
    FIRST_BYTES + 1,
    3_000_000,
    9,
]
STREAM = [frame(size, bytes([i])) for i, size in enumerate(SIZES)]


@pytest.mark.parametrize("chunk", [1500, 65536, 10**7])
async def test_frames_of_any_size_come_out_whole_and_in_order(chunk):
    async with Service(OpenConnections(), Frames) as service:
        _, writer, served = await service.dial()
        whole = b"".join(STREAM)
        for start in range(0, len(whole), chunk):
            writer.write(whole[start : start + chunk])
            await writer.drain()
        await until(lambda: len(served.frames) == len(STREAM))
        assert served.frames == STREAM


@pytest.mark.parametrize("chunk", [1, 3, 7])
async def test_frames_come_out_wherever_the_buffer_is_cut(chunk):
    """The transport's side of the contract, called by hand: any amount into any buffer it was given."""
    served = Frames(OpenConnections())
    whole = b"".join(frame(size, b"y") for size in (4, 9, 70_000, 5, 13))
    position = 0
    while position < len(whole):
        buffer = served.get_buffer(-1)
        piece = whole[position : position + min(chunk, len(buffer))]
        buffer[: len(piece)] = piece
        served.buffer_updated(len(piece))
        position += len(piece)
    assert served.frames == [frame(size, b"y") for size in (4, 9, 70_000, 5, 13)]


async def test_behind_a_large_frame_the_header_of_the_next_is_read_first():
    served = Frames(OpenConnections())
    asked = []
    for piece in (
        frame(70_000),
        frame(90_000)[:4],
        frame(90_000)[4:],
        frame(9)[:2],
        frame(9)[2:4],
        frame(9)[4:],
        frame(5),
    ):
        while piece:
            buffer = served.get_buffer(-1)
            asked.append(len(buffer))
            size = min(len(buffer), len(piece))
            buffer[:size], piece = piece[:size], piece[size:]
            served.buffer_updated(size)
    assert [len(each) for each in served.frames] == [70_000, 90_000, 9, 5]
    assert asked == [SHARED_BYTES, 70_000 - SHARED_BYTES, 4, 90_000 - 4, 4, 2, SHARED_BYTES - 4, SHARED_BYTES]


@pytest.mark.parametrize("hold_at", range(1, len(STREAM)))
async def test_held_frames_wait_and_go_on(hold_at):
    async with Service(OpenConnections(), Frames) as service:
        _, writer, served = await service.dial()
        served.hold_at = hold_at
        writer.write(b"".join(STREAM))
        await until(lambda: served.held)
        assert served.frames == STREAM[:hold_at]
        served.resume("blocked")
        await until(lambda: len(served.frames) == len(STREAM))
        assert served.frames == STREAM


async def test_while_held_no_more_is_read_than_there_is_room_for():
    async with Service(OpenConnections(), Frames) as service:
        _, writer, served = await service.dial()
        served.hold("blocked")
        writer.write(frame(100) * 100_000)
        await until(lambda: not served.transport.is_reading())
        assert served._filled <= SHARED_BYTES < READ_AHEAD
        served.resume("blocked")
        await until(lambda: len(served.frames) == 100_000)


async def test_an_announced_size_gets_memory_only_as_bytes_arrive():
    async with Service(OpenConnections(), Frames) as service:
        _, writer, served = await service.dial()
        writer.write(frame(100_000_000)[:1000])
        await until(lambda: served._large is not None)
        assert len(served._large) == FIRST_BYTES


async def test_a_frame_past_the_limit_ends_the_connection():
    async with Service(OpenConnections(limits=Limits(query_buffer_bytes=1000)), Frames) as service:
        _, writer, served = await service.dial()
        writer.write(frame(1000) + (997).to_bytes(4, "big"))
        assert await within(served.over) == "query buffer limit"
        assert len(served.frames) == 1


async def test_bytes_that_begin_no_frame_end_the_connection():
    async with Service(OpenConnections(), Frames) as service:
        _, writer, served = await service.dial()
        writer.write(frame(10) + b"\xff\xff\xff\xff")
        assert await within(served.over) == "a negative length"
        assert len(served.frames) == 1
