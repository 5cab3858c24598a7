"""Several clients at once, against the real server; see crowd.py."""

import socket

import pytest

from tests.oracles.crowd import OPTIONS, compare
from tests.oracles.real_redis import real_redis


@pytest.fixture(scope="module")
def control():
    with real_redis(*OPTIONS) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield client


@pytest.mark.parametrize("seed", range(10))
def test_every_client_sees_the_same(control, seed):
    compare(seed, 200, control)
