"""The tests of the server's sockets run twice: on asyncio's own loop and on uvloop."""

import asyncio

import uvloop


def pytest_asyncio_loop_factories(config, item):
    if item.path.name == "test_server.py" and item.path.parent.name == "miniredis":
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}
