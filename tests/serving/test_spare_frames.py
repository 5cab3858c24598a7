"""A connection's large frames: memory is used again, unless somebody kept the frame or a view of it."""

import asyncio

import pytest

from serving.frame_connection import SHARED_BYTES, FrameConnection
from serving.open_connections import OpenConnections

LARGE = SHARED_BYTES + 1000


class Keeper(FrameConnection):
    """Keeps what `keep` makes of each frame."""

    def __init__(self, keep):
        super().__init__(OpenConnections())
        self.keep, self.kept, self.seen = keep, [], []

    def frame_received(self, frame):
        self.seen.append((id(frame), bytes(frame[4:8]), len(frame)))
        self.kept.append(self.keep(frame))


def frame(fill: bytes, size: int) -> bytes:
    return (size - 4).to_bytes(4, "big") + fill * (size - 4)


async def received(keep, sizes):
    """What frames of these sizes came as: (identity, first bytes, size)."""
    server = []

    def made():
        server.append(Keeper(keep))
        return server[0]

    loop = asyncio.get_running_loop()
    listening = await loop.create_server(made, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
    for number, size in enumerate(sizes):
        writer.write(frame(bytes([number]), size))
        async with asyncio.timeout(10):
            while not server or len(server[0].seen) <= number:  # noqa: ASYNC110 — the server has nobody to tell
                await asyncio.sleep(0)
    writer.close()
    listening.close()
    return server[0].seen


@pytest.mark.parametrize("sizes", [[LARGE] * 4, [LARGE, LARGE + 7, LARGE - 9, 2 * LARGE]])
async def test_every_frame_is_itself(sizes):
    seen = await received(lambda _: None, sizes)
    assert [(first, size) for _, first, size in seen] == [(bytes([n]) * 4, size) for n, size in enumerate(sizes)]


async def test_a_frame_that_nobody_kept_lends_its_memory_to_the_next():
    seen = await received(lambda _: None, [LARGE] * 4)
    assert len({identity for identity, *_ in seen}) == 1


@pytest.mark.parametrize("keep", [lambda each: each, memoryview, lambda each: memoryview(each)[10:20]])
async def test_a_frame_that_is_kept_or_looked_at_stays_what_it_is(keep):
    seen = await received(keep, [LARGE] * 4)
    assert len({identity for identity, *_ in seen}) == 4
