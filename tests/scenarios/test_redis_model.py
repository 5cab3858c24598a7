"""The model answers as the real server does: the same drawn commands to both."""

import asyncio
from random import Random

import pytest

from lab import peers
from scenarios import redis_model
from scenarios.resp import Client


@pytest.mark.parametrize("seed", range(4))
async def test_model_and_redis_give_the_same_replies(seed):
    random, model = Random(seed), redis_model.Model()
    commands = [redis_model.draw(random, b"p:", b"%d" % number) for number in range(1500)]
    with peers.redis_server() as peer:
        client = Client(await asyncio.open_connection("127.0.0.1", peer.port))
        replies = await client.pipeline(commands)
        assert replies == [model.apply(command) for command in commands]
        read = redis_model.in_order(await client.pipeline(redis_model.reads(b"p:")))
        assert read == model.reading(b"p:")
        await client.close()
