"""Every test here that is a coroutine runs twice: on asyncio's own loop and on uvloop."""

import asyncio

import uvloop


def pytest_asyncio_loop_factories(config, item):
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
